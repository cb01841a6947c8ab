"""``nginxws probe URL``: is there a WebSocket, does it echo, does it live when idle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from nginxws.cli.options import ProbeHeader, Seconds, option
from nginxws.errors import ExitCode

F = TypeVar("F", bound=Callable[..., Any])


def _option(*names: str, **settings: Any) -> Callable[[F], F]:
    """An option with its environment variable, shared with the ``--probe-...`` options of add-route."""
    variable = "NGINXWS_PROBE_" + names[0].lstrip("-").upper().replace("-", "_")
    return click.option(*names, envvar=variable, show_envvar=True, **settings)


@click.command("probe")
@click.argument("url")
@_option(
    "--expect",
    type=int,
    default=101,
    show_default=True,
    metavar="CODE",
    help="The status that counts as success.",
)
@_option("--echo", metavar="TEXT", help="Send TEXT and wait for a message back.")
@_option("--idle", type=Seconds(), help="Send nothing this long, then see if the socket is alive.")
@_option(
    "--header",
    "headers",
    type=ProbeHeader(),
    multiple=True,
    help="Header to send; NAME=@env:VARIABLE and NAME=@file:PATH keep secrets out of sight. Repeatable.",
)
@_option("--origin", metavar="ORIGIN", help="Origin to send, for example https://chat.example.com.")
@_option(
    "--timeout",
    type=Seconds(),
    default=10,
    show_default=True,
    help="Longest wait for the handshake, and for the echo.",
)
@_option("--cacert", metavar="FILE", help="Check the certificate against these authorities (PEM).")
@_option("--insecure", is_flag=True, help="Don't check the certificate.")
@option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Shape of the result on stdout.",
)
def probe(
    url: str,
    expect: int,
    echo: str | None,
    idle: int | None,
    headers: tuple[tuple[str, str], ...],
    origin: str | None,
    timeout: int,
    cacert: str | None,
    insecure: bool,
    output_format: str,
) -> int:
    """Try a WebSocket handshake with URL (ws:// or wss://) from here.

    Says whether the WebSocket opens, Sec-WebSocket-Accept verified, and otherwise what the
    answer means and who gave it, NGINX or the application. Exit code 0 when everything is as
    expected, 1 when it isn't.
    """
    from nginxws.nodes.probe.url import parse_url, probe_session, url_request
    from nginxws.report.probe import show_probe

    target = parse_url(url)
    request = url_request(
        target,
        expect=expect,
        timeout=timeout,
        origin=origin,
        headers=headers,
        verify=not insecure,
        ca_file=cacert,
    )
    report = probe_session(target, request, echo_text=echo, idle_s=idle)
    code = ExitCode.DONE if report.ok else ExitCode.ERROR
    show_probe(url, report, code, output_format)
    return code
