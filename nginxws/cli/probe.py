"""``nginxws probe URL``: is there a WebSocket, does it echo, does it live when idle."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from nginxws.cli.options import ProbeHeader, Seconds, option
from nginxws.errors import ExitCode

if TYPE_CHECKING:
    from nginxws.nodes.probe_types import ProbeResult
    from nginxws.nodes.probe_url import UrlReport

F = TypeVar("F", bound=Callable[..., Any])

FORMAT_VERSION = "1.0"
_EXCERPT = 400  # characters of an answer's body that the text form shows


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
    from nginxws.nodes.probe_url import parse_url, probe_session, url_request

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
    if output_format == "json":
        click.echo(json.dumps(as_json(url, report), indent=2))
    else:
        _print(report)
    return ExitCode.DONE if report.ok else ExitCode.ERROR


def as_json(url: str, report: UrlReport) -> dict[str, Any]:
    """The report as data: ``format_version`` 1.0, times in seconds, null for what wasn't tested."""
    result = report.handshake
    names = ("status", "server", "answered_by", "message", "hint", "accept_ok", "subprotocol", "detail")
    document: dict[str, Any] = {"format_version": FORMAT_VERSION, "url": url, "ok": report.ok}
    document |= {name: getattr(result, name) for name in names}
    document["elapsed"] = round(result.elapsed, 6)
    document["echo"] = document["idle"] = None
    if (echoed := report.echo) is not None:
        document["echo"] = {
            "ok": echoed.ok,
            "same": echoed.same,
            "received": list(echoed.received),
            "elapsed": round(echoed.elapsed, 6),
            "message": echoed.message,
        }
    if (idled := report.idle) is not None:
        document["idle"] = {
            "ok": idled.lived,
            "seconds": round(idled.seconds, 3),
            "pings": idled.pings,
            "messages": idled.messages,
            "message": idled.message,
            "hint": idled.hint,
        }
    return document


def _print(report: UrlReport) -> None:
    """Results on stdout, hints on stderr."""
    result = report.handshake
    _line(result.ok, f"handshake: {result.message}{_took(result)}")
    if not result.ok:
        if result.detail:
            shown = result.detail[:_EXCERPT]
            click.echo("".join(f"    {line}\n" for line in shown.splitlines() if line.strip()), nl=False)
        _hint(result.hint)
    if report.echo is not None:
        _line(report.echo.ok, f"echo: {report.echo.message}")
    if report.idle is not None:
        _line(report.idle.lived, f"idle: {report.idle.message}")
        _hint(report.idle.hint)


def _took(result: ProbeResult) -> str:
    return f" in {result.elapsed * 1000:.0f} ms" if result.status is not None else ""


def _line(ok: bool, text: str) -> None:
    click.echo(f"{'ok' if ok else 'failed'}: {text}")


def _hint(hint: str | None) -> None:
    if hint:
        click.echo(f"hint: {hint}", err=True)
