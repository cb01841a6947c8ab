"""Whatever is said: terminals get no control characters, CI logs no commands, programs get JSON."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

import pytest
from hypothesis import given
from support import hostile
from support.hostile import Mint, mints
from support.streams import RAW, Printed, github_commands, printed

from nginxws.checks.finding import Finding
from nginxws.cli import run
from nginxws.config.splice import Edit
from nginxws.deploy import Applied, NodeOutcome
from nginxws.errors import ExitCode, NginxwsError
from nginxws.inventory import ListedRoute
from nginxws.nodes.probe.types import ProbeResult
from nginxws.nodes.probe.url import UrlReport
from nginxws.nodes.probe.websocket import EchoResult, IdleResult
from nginxws.nodes.transaction import Committed, Recovered, Workers
from nginxws.plan import Change, NodePlan
from nginxws.report.document import show_json
from nginxws.report.outcome import show_outcomes
from nginxws.report.probe import show_probe
from nginxws.report.progress import Progress
from nginxws.report.recovery import as_json, recovered, show_result, unlocked
from nginxws.report.routes import NodeRoutes, show_routes
from nginxws.report.text import (
    show_diff,
    show_error,
    show_hint,
    show_lines,
    show_note,
    show_pending,
    show_recovered,
    show_warning,
)
from nginxws.snapshot import NginxInfo, Pending, Snapshot

T = TypeVar("T")
GITHUB = {"GITHUB_ACTIONS": "true"}
#: Fields that hold one of a few words, whoever says what.
_FIXED = ("action", "answered_by", "severity", "field")


def poisoned(value: T, mint: Mint) -> T:
    """The same with every text in it hostile."""
    return cast("T", _poisoned(value, mint))


def _poisoned(value: Any, mint: Mint) -> Any:
    made: Any = value
    if isinstance(value, str):
        made = mint.hostile()
    elif isinstance(value, tuple | list):
        made = type(value)(_poisoned(item, mint) for item in value)
    elif isinstance(value, NginxwsError):
        made = NginxwsError(
            mint.hostile(), hint=mint.hostile(), node=mint.hostile(), file=mint.hostile(), line=3
        )
        made.detail = mint.hostile() * mint.randint(1, 40)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type | Edit):
        fields = {field.name for field in dataclasses.fields(value) if field.init} - set(_FIXED)
        changes: dict[str, Any] = {name: _poisoned(getattr(value, name), mint) for name in fields}
        made = dataclasses.replace(value, **changes)
    return made


ERROR = NginxwsError("m", hint="h", node="n", file="f", line=1, detail="d")
PROBE = ProbeResult(False, 502, "s", "nginx", "m", "h", None, 0.5, "a\nb", False, 1, "p")
PLAN = NodePlan("n", (Change("add", "/r", "s", "w", "n"), Change("unchanged", "/r", "s", "w", "n")), ())
FINDING = Finding("rule", "warning", "m", "f", 1, "h")
OUTCOMES = [
    NodeOutcome("n", PLAN, Applied(Committed(7, "t", Workers(2)), (("/r", PROBE),))),
    NodeOutcome("n", PLAN, findings=(FINDING,)),
    NodeOutcome("n", error=ERROR),
]
LISTED = [
    NodeRoutes("n", (ListedRoute("p", "^~", ("b",), "managed", "s", "f", 1),)),
    NodeRoutes("n", (), ERROR),
]
REPORT = UrlReport(PROBE, EchoResult(False, False, ("r",), 0.1, "m"), IdleResult(False, 1.0, 1, 1, "m", "h"))


def every_report(mint: Mint, output_format: str) -> None:
    """All that ``report/`` can print, of things that hold nothing but hostile text."""
    show_outcomes(poisoned(OUTCOMES, mint), ExitCode.DONE, output_format, quiet=False)
    show_routes(poisoned(LISTED, mint), ExitCode.DONE, output_format, quiet=False)
    show_probe(mint.hostile(), poisoned(REPORT, mint), ExitCode.DONE, output_format)
    found = poisoned([Recovered(True, "c", "t", 3), Recovered(False, "c", "t", 3)], mint)
    results = [recovered(mint.hostile(), one) for one in found] + [unlocked(mint.hostile(), mint.hostile())]
    for result in results:
        show_result(result, output_format, quiet=False)
    if output_format == "json":
        show_json(as_json(results, ExitCode.DONE))


def every_message(mint: Mint) -> None:
    show_error(poisoned(ERROR, mint))
    show_warning(mint.hostile(), mint.hostile())
    show_hint(mint.hostile())
    show_note(mint.hostile())
    show_lines([mint.hostile()])
    now = Snapshot("n", NginxInfo(), (), recovered="r", pending=Pending("t", "w", 1))
    now = dataclasses.replace(
        now, node=mint.hostile(), recovered=mint.hostile(), pending=Pending("t", mint.hostile(), 1)
    )
    show_recovered(now)
    show_pending(now)
    with Progress(verbose=True, quiet=False) as progress:
        progress.step(mint.hostile(), mint.choice(["reload", mint.hostile()]), mint.hostile())


def harmless(shown: Printed) -> None:
    for text in shown.texts:
        assert not RAW.search(text), RAW.findall(text)


ENCODINGS = ("utf-8", "ascii", "latin-1", "cp1252")


@hostile.examples(120, deep=20_000)
@given(mints)
def test_no_control_character_reaches_a_terminal(mint: Mint) -> None:
    """On a terminal or not, in whatever encoding: nothing acts, and nothing crashes."""
    encoding, terminal = mint.choice(ENCODINGS), mint.random() < 0.5
    harmless(printed(lambda: every_report(mint, "text"), encoding=encoding, terminal=terminal))
    harmless(printed(lambda: every_message(mint), encoding=encoding, terminal=terminal))
    harmless(printed(lambda: show_diff(mint.hostile()), encoding=encoding, terminal=True))


@hostile.examples(60, deep=6000)
@given(mints)
def test_json_is_json_whatever_a_node_says(mint: Mint) -> None:
    """ASCII, one document after the other, and no half of a surrogate pair (RFC 7493, section 2.1)."""
    for environ in ({}, GITHUB):
        shown = printed(lambda: every_report(mint, "json"), encoding=mint.choice(ENCODINGS), environ=environ)
        harmless(shown)
        assert shown.out.isascii()
        assert github_commands(shown.out) == []
        rest, count, decoder = shown.out.decode().strip(), 0, json.JSONDecoder()
        while rest:
            document, end = decoder.raw_decode(rest)
            json.dumps(document, ensure_ascii=False).encode()
            rest, count = rest[end:].strip(), count + 1
        assert count == 4


@hostile.examples(120, deep=20_000)
@given(mints)
def test_a_ci_log_gets_no_commands(mint: Mint) -> None:
    environ = mint.choice([GITHUB, {"TF_BUILD": "True"}, {"TEAMCITY_VERSION": "x"}, {"GITLAB_CI": "true"}])
    for work in (lambda: every_report(mint, "text"), lambda: every_message(mint)):
        shown = printed(work, environ=environ)
        for output in (shown.out, shown.err):
            assert github_commands(output) == []
            assert not re.search(rb"##\w*\[", output)


SITE = """events {{ }}
http {{
  # {0}
  server {{
    listen 80;
    server_name {1};
    location /x {{
      {2}
    }}
  }}
}}
"""
UPGRADE = "proxy_pass http://h:1; proxy_set_header Upgrade $http_upgrade;"


@hostile.examples(50, deep=8000)
@given(mints)
def test_commands_on_hostile_files(tmp_path_factory: pytest.TempPathFactory, mint: Mint) -> None:
    """The whole command line, in this process, on a file of anybody's; no ending is a bug of ours."""
    folder = tmp_path_factory.mktemp("file")
    texts = [mint.spoil(one, 2) for one in ("a comment", "a.example", UPGRADE)]
    file = folder / f"n{re.sub('[/]|[^!-~é]', '_', mint.hostile())[:40]}.conf"
    file.write_bytes(SITE.format(*texts).encode("utf-8", "surrogatepass"))
    target = ["--file", str(file)]
    shown_as = ["--format", mint.choice(["text", "json"])]
    for words in (
        ["list-routes", *target, *shown_as],
        ["add-route", "/ws/", "h:1", "--dry-run", *target, *shown_as],
        ["remove-route", mint.argument(), "--dry-run", *target, *shown_as],
        ["add-route", "/ws/", "h:1", "--server", mint.argument(), "--dry-run", *target, *shown_as],
    ):
        check(words, mint, terminal=True)


#: Commands with one hostile value each; none gets as far as to a node.
WORDS: dict[str, Callable[[str], list[str]]] = {
    "command": lambda text: [text],
    "option": lambda text: ["render", "/ws/", "h:1", f"--{text}"],
    "path": lambda text: ["render", "--", text, "h:1"],
    "backend": lambda text: ["render", "--shared", "--", "/ws/", text],
    "header": lambda text: ["render", "/ws/", "h:1", f"--header={text}"],
    "header value": lambda text: ["render", "/ws/", "h:1", f"--header=X={text}"],
    "format": lambda text: ["list-routes", f"--format={text}"],
    "duration": lambda text: ["recover", f"--lock-timeout={text}", "--node=a"],
    "node": lambda text: ["list-routes", f"--node=ssh://[{text}"],
    "node's user": lambda text: ["list-routes", f"--node=a b{text}@h"],
    "home": lambda text: ["list-routes", f"--home={text}x"],
    "file": lambda text: ["list-routes", f"--file={text}x/y"],
    "templates": lambda text: ["render", "/ws/", "h:1", f"--templates=/nonexistent/{text}"],
    "ssh config": lambda text: ["list-routes", "--node=a", f"--ssh-config=/nonexistent/{text}"],
    "nginx-conf": lambda text: ["list-routes", "--node=a", f"--nginx-conf=x{text}"],
    "state dir": lambda text: ["list-routes", "--node=a", f"--state-dir=x{text}"],
    "message": lambda text: ["add-route", "/ws/", "h:1", "--node=a", f"-m\x01{text}"],
    "probe url": lambda text: ["probe", "--", f"wss:{text}"],
    "probe path": lambda text: ["add-route", "/ws/", "h:1", f"--probe-path=x{text}", "--node=a"],
    "probe host": lambda text: ["add-route", "/ws/", "h:1", f"--probe-host=/{text}", "--node=a"],
    "probe header": lambda text: ["add-route", "/ws/", "h:1", f"--probe-header=X=\x01{text}", "--node=a"],
    "origin": lambda text: ["probe", "ws://127.0.0.1:1/", f"--origin=\x01{text}"],
}


@pytest.mark.parametrize("which", WORDS)
@hostile.examples(12, deep=1200)
@given(mint=mints)
def test_arguments_and_variables_are_refused_in_plain_text(which: str, mint: Mint) -> None:
    check(WORDS[which](mint.argument()), mint, terminal=mint.random() < 0.5)
    name = f"NGINXWS_{mint.choice(['NODE', 'FORMAT', 'LOCK_TIMEOUT', 'SSH_CONFIG', 'HOME', 'NGINX_CONF'])}"
    value = {"NGINXWS_NODE": f"ssh://[{mint.argument()}", "NGINXWS_NGINX_CONF": f"x{mint.argument()}"}
    check(["list-routes"], mint, terminal=False, environ={name: value.get(name, f"?{mint.argument()}")})


def check(words: list[str], mint: Mint, *, terminal: bool, environ: dict[str, str] | None = None) -> None:
    environ = (environ or {}) | mint.choice([{}, GITHUB])
    encoding = mint.choice(ENCODINGS)
    shown = printed(lambda: run(words), encoding=encoding, terminal=terminal, environ=environ)
    harmless(shown)
    out, err = shown.texts
    assert "bug of nginxws" not in err, err
    assert shown.result in tuple(ExitCode)
    if shown.result not in (0, 2):
        assert err.startswith(("error: ", "Usage: ")), err
    if "json" in words and out.strip().startswith("{"):
        json.loads(out)
    if environ.get("GITHUB_ACTIONS"):
        assert set(github_commands(shown.out) + github_commands(shown.err)) <= {"stop-commands"}


def test_an_own_template_goes_into_a_pipe_as_it_is(tmp_path: Path) -> None:
    """What a user's template prints is the user's, but on a terminal it doesn't act either."""
    (tmp_path / "location.conf.j2").write_text("location /é {\n  return 200 '\x1b[2J\u202e';\n}\n", "utf-8")
    words = ["render", "/ws/", "h:1", "--templates", str(tmp_path)]
    shown = printed(lambda: run(words), encoding="ascii")
    assert shown.out.decode() == "location /é {\n  return 200 '\x1b[2J\u202e';\n}\n"
    harmless(printed(lambda: run(words), terminal=True))
