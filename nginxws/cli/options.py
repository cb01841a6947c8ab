"""Options that several commands share, each with its environment variable NGINXWS_…

``option`` is click's, plus the variable's name. The decorators add whole groups.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Self, TypeVar

import click

from nginxws.errors import InvalidInput

F = TypeVar("F", bound=Callable[..., Any])

#: Modes of the proof.
PROBE_MODES = ("required", "warn", "off")


if TYPE_CHECKING:
    PairType = click.ParamType[tuple[str, str]]
    SecondsType = click.ParamType[int]
else:  # not generic in older releases of click
    PairType = SecondsType = click.ParamType


class Lines(PairType):
    """``NAME=VALUE``; several in an environment variable stand on lines of their own."""

    name = "NAME=VALUE"

    def split_envvar_value(self, rv: str) -> list[str]:
        return [line.strip() for line in rv.split("\n") if line.strip()]


class Pair(Lines):
    """``NAME=VALUE`` as it is."""

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, equals, text = value.partition("=")
        if not equals or not name:
            self.fail(f"{value!r} isn't NAME=VALUE", param, ctx)
        return name, text


class Fetched(tuple[str, str]):
    """A header whose value may have been fetched; ``text`` is what was written, without the secret."""

    text: str

    def __new__(cls, pair: tuple[str, str], text: str) -> Self:
        made = super().__new__(cls, pair)
        made.text = text
        return made


class ProbeHeader(Lines):
    """``NAME=VALUE`` with ``@env:`` and ``@file:`` values."""

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Raises InvalidInput: its hint says more than a usage line."""
        from nginxws.nodes.probe.headers import parse_probe_header

        return value if isinstance(value, tuple) else Fetched(parse_probe_header(value), value)


class Seconds(SecondsType):
    """A duration: ``90``, ``90s``, ``5m``, ``1h``, ``1d``; in seconds, ``least`` at least."""

    name = "DURATION"

    def __init__(self, least: int = 1) -> None:
        self._least = least

    def convert(self, value: str | int, param: click.Parameter | None, ctx: click.Context | None) -> int:
        from nginxws.route import parse_duration

        if isinstance(value, int):
            return value
        try:
            return parse_duration(value, self._least)
        except InvalidInput as error:
            self.fail(error.message, param, ctx)


def option(*names: str, scope: str = "", **settings: Any) -> Callable[[F], F]:
    """``click.option`` with the environment variable that belongs to its long name.

    ``scope`` goes before the name where one command means something else by it: ``DEMO_``.
    """
    long = next(name for name in names if name.startswith("--"))
    variable = f"NGINXWS_{scope}" + re.sub(r"[^A-Z0-9]+", "_", long.split("/")[0].lstrip("-").upper())
    return click.option(*names, envvar=variable, show_envvar=True, **settings)


def _all(*options: Callable[[F], F]) -> Callable[[F], F]:
    def decorate(function: F) -> F:
        for add in reversed(options):
            function = add(function)
        return function

    return decorate


def connection_options(function: F) -> F:
    """Which node, and how it is reached."""
    return _all(
        option("--node", "nodes", multiple=True, metavar="NAME|URL|local",
               help="A node or label of the manifest; without one, a host or ssh_config alias; "
               "ssh://[user@]host[:port]; local. Repeatable."),
        option("--manifest", type=click.Path(dir_okay=False), metavar="PATH",
               help="The manifest.  [default: nginxws.toml here or in a folder above]"),
        option("--no-manifest", is_flag=True, help="Work without a manifest."),
        inventory_option,
        reach_options,
    )(function)  # fmt: skip


def environment_options(function: F) -> F:
    """Which environment, and how its nodes are reached."""
    return _all(
        option("--manifest", type=click.Path(dir_okay=False), metavar="PATH",
               help="The manifest.  [default: nginxws.toml here or in a folder above]"),
        inventory_option,
        reach_options,
    )(function)  # fmt: skip


def provider_option(function: F) -> F:
    """The platform that makes the nodes."""
    return option("--provider", type=click.Choice(["jelastic", "none"]),
                  help="Platform that makes the nodes, by its API; none: nodes that are there already.  "
                  "[default: the manifest's]")(function)  # fmt: skip


def inventory_option(function: F) -> F:
    """Nodes from elsewhere than the manifest."""
    return option("--inventory", type=click.Path(dir_okay=False, allow_dash=True), metavar="FILE",
                  help="What `ansible-inventory --list` printed (- for stdin): hosts and groups that the "
                  "manifest names are its nodes, too.")(function)  # fmt: skip


def ssh_options(function: F) -> F:
    """How SSH reaches nodes, without what asks somebody or trusts a new host."""
    return _all(
        option("--ssh-config", type=click.Path(exists=True, dir_okay=False), metavar="FILE",
               help="Instead of ~/.ssh/config and /etc/ssh/ssh_config."),
        option("--ssh-timeout", type=Seconds(), help="Longest wait for an SSH connection."),
        option("--sudo/--no-sudo", "sudo", default=False, help="Do the node's work as root."),
    )(function)  # fmt: skip


def layout_options(function: F) -> F:
    """Where nodes have their NGINX."""
    return _all(
        option("--nginx-conf", metavar="PATH", default="", help="The node's main configuration file."),
        option("--nginx-bin", metavar="PATH", default="", help="The node's nginx program."),
        option("--home", metavar="NAME", default="", help="Layout of the node's NGINX; else found out."),
        option("--state-dir", metavar="PATH", default="", help="Where the node keeps lock, undo, revisions."),
    )(function)  # fmt: skip


def reach_options(function: F) -> F:
    """How nodes are reached, and where their NGINX is."""
    return _all(
        ssh_options,
        option("--accept-new-host-keys", is_flag=True,
               help="Trust and write down the key of a host never seen before; changed keys are refused."),
        option("--ask-sudo-password", is_flag=True, help="Like --sudo; asks for the password."),
        option("--sudo-password-fd", type=click.IntRange(0), metavar="N",
               help="Read the sudo password from this file descriptor."),
        layout_options,
    )(function)  # fmt: skip


def server_option(function: F) -> F:
    """Which server block is meant."""
    return option("--server", metavar="NAME[:PORT]", help="The server block, by server_name.")(function)


def file_option(function: F) -> F:
    """A file here instead of a node."""
    return option("--file", "file", type=click.Path(exists=True, dir_okay=False), metavar="PATH",
                  help="Work on a configuration file here: no node, no reload.")(function)  # fmt: skip


def manifest_options(function: F) -> F:
    """What becomes of the manifest when a command changes a route that stands in it."""
    return option("--no-apply", is_flag=True, help="Only edit the manifest; touch no node.")(function)


def change_options(function: F) -> F:
    """How a change is made."""
    return _all(
        option("--reload-command", metavar="CMD", default="", help="How the node reloads NGINX."),
        option("--dry-run", is_flag=True, help="Show the diff; change nothing."),
        option("--detailed-exitcode", is_flag=True, help="With --dry-run: exit 2 when there are changes."),
        option("--yes", "-y", is_flag=True, help="Ask nothing."),
        option("--overwrite-drift", is_flag=True, help="Replace a managed block that was edited by hand."),
        option("--message", "-m", default="", help="Why; kept with the revision on the node."),
        option("--lock-timeout", type=Seconds(), default=30, show_default=True,
               help="Longest wait for another operator's lock."),
        option("--reload-timeout", type=Seconds(), default=30, show_default=True,
               help="Longest wait for the new workers."),
        option("--confirm-timeout", type=Seconds(), default=30, show_default=True,
               help="The node restores by itself after this long without a word."),
        option("--max-draining", type=click.IntRange(0), default=0, metavar="N",
               help="Refuse to reload while old workers of N earlier reloads drain.  [default: no limit]"),
        option("--keep", type=click.IntRange(1, 1000), default=20, show_default=True, metavar="N",
               help="Revisions that stay on the node."),
        option("--ignore-editors", is_flag=True, help="Change a file that somebody has open in an editor."),
    )(function)  # fmt: skip


def take_over_options(function: F) -> F:
    """What may be put in the place of hand-written locations."""
    return _all(
        option("--adopt", is_flag=True, help="Take over equivalent hand-written locations of wanted paths."),
        option("--replace", is_flag=True, help="Put routes in place of any hand-written locations."),
    )(function)  # fmt: skip


def route_options(function: F) -> F:
    """What a route is. Further route options, presets and rules belong here."""
    return _all(
        option("--match", type=click.Choice(["prefix", "priority", "exact", "regex"]),
               help="How requests are compared with PATH.  [default: priority (^~)]"),
        option("--slashless", type=click.Choice(["alias", "redirect", "none"]),
               help="What PATH without its final slash gets: the same, a 308, or NGINX's own 301."),
        option("--balance", type=click.Choice(["round-robin", "least-conn", "ip-hash", "random"]),
               help="How several backends share.  [default: round-robin]"),
        option("--read-timeout", type=Seconds(), help="Longest silence of the backend.  [default: 1h]"),
        option("--send-timeout", type=Seconds(), help="Longest silence of the client.  [default: 1h]"),
        option("--connect-timeout", type=Seconds(), help="Longest wait for a connection to the backend."),
        option("--header", "headers", multiple=True, type=Pair(), help="Header to the backend. Repeatable."),
        option("--host", metavar="VALUE", help="Host header to the backend.  [default: $host]"),
        option("--backend-tls-name", "tls_name", metavar="NAME",
               help="Name for SNI and verification of a TLS backend."),
        option("--backend-tls-ca", "tls_ca", metavar="PATH",
               help="Verify TLS backends against this file of the node."),
        option("--preset", type=click.Choice(["default", "plain"]), default="default", show_default=True,
               help="plain: the platform documentation's own six lines."),
        option("--templates", type=click.Path(exists=True, file_okay=False), metavar="DIR",
               help="Templates of your own; a file there wins over the shipped one."),
    )(function)  # fmt: skip


def probe_options(function: F, *, mode: str = "required") -> F:
    """How the route is proved; ``mode`` is what happens where nothing is said."""
    return _all(
        option("--probe", "probe_mode", type=click.Choice(PROBE_MODES), default=mode, show_default=True,
               help="What a failed handshake means."),
        option("--probe-path", metavar="PATH", help="Path and query to try.  [default: the route's path]"),
        option("--probe-host", metavar="NAME", help="Host to ask for.  [default: the server's name]"),
        option("--probe-header", "probe_headers", multiple=True, type=ProbeHeader(),
               help="Header to send; NAME=@env:VAR and NAME=@file:PATH for secrets."),
        option("--probe-expect", type=int, default=101, show_default=True, metavar="CODE",
               help="The status that counts as proof."),
        option("--probe-url", metavar="URL", help="Prove from here, through this public address."),
        option("--probe-timeout", type=Seconds(), default=5, show_default=True,
               help="Longest wait for proof."),
    )(function)  # fmt: skip


def output_options(function: F) -> F:
    """How results are shown."""
    return _output(["text", "json"])(function)


def review_options(function: F) -> F:
    """How the results of what changes nodes are shown: also to the services that review changes."""
    return _output(["text", "json", "github", "gitlab"])(function)


def _output(formats: list[str]) -> Callable[[F], F]:
    return _all(
        option("--format", "output_format", type=click.Choice(formats), default="text",
               show_default=True, help="Shape of the result on stdout."),
        option("--quiet", "-q", is_flag=True, help="Errors only."),
        option("--verbose", "-v", is_flag=True, help="Every step, also without a terminal."),
    )  # fmt: skip
