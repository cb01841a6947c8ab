"""What ``nginxws probe`` found, as text or JSON."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from nginxws.errors import ExitCode
from nginxws.report.document import envelope, show_json
from nginxws.report.text import show_hint, show_lines

if TYPE_CHECKING:
    from nginxws.nodes.probe.types import ProbeResult
    from nginxws.nodes.probe.url import UrlReport

_EXCERPT = 400  # characters of an answer's body that the text form shows
_FIELDS = ("status", "server", "answered_by", "message", "hint", "accept_ok", "subprotocol", "detail")


def show_probe(url: str, report: UrlReport, code: ExitCode, output_format: str) -> None:
    """Results on stdout, hints on stderr."""
    if output_format == "json":
        show_json(as_json(url, report, code))
        return
    result = report.handshake
    show_lines(_verdict(*tested) for tested in _tests(report, took=_took(result)))
    if not result.ok:
        shown = result.detail[:_EXCERPT].splitlines()
        show_lines(f"    {line}" for line in shown if line.strip())
    for hint in (None if result.ok else result.hint, report.idle and report.idle.hint):
        if hint:
            show_hint(hint)


def as_json(url: str, report: UrlReport, code: ExitCode) -> dict[str, Any]:
    """The report as data: times in seconds, null for what wasn't tested."""
    result = report.handshake
    errors = [f"{name}: {message}" for name, ok, message in _tests(report) if not ok]
    document = envelope(code, changed=False, errors=errors, url=url, ok=report.ok)
    document |= {name: getattr(result, name) for name in _FIELDS}
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


def _tests(report: UrlReport, took: str = "") -> Iterator[tuple[str, bool, str]]:
    """Each test that was made: its name, whether it went well, what it says."""
    yield "handshake", report.handshake.ok, f"{report.handshake.message}{took}"
    if report.echo is not None:
        yield "echo", report.echo.ok, report.echo.message
    if report.idle is not None:
        yield "idle", report.idle.lived, report.idle.message


def _took(result: ProbeResult) -> str:
    return f" in {result.elapsed * 1000:.0f} ms" if result.status is not None else ""


def _verdict(name: str, ok: bool, message: str) -> str:
    return f"{'ok' if ok else 'failed'}: {name}: {message}"
