"""What review tools are given: read as they read it, whatever nodes and files are called or hold."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nginxws.checks.finding import Finding
from nginxws.config.splice import Edit
from nginxws.deploy import Applied, NodeOutcome
from nginxws.errors import ConfigError, ExitCode, ManifestError, NginxwsError, Problem
from nginxws.nodes.probe.types import ProbeResult
from nginxws.nodes.transaction import Committed
from nginxws.plan import Change, FilePlan, NodePlan
from nginxws.report import github
from nginxws.report.github import annotation, escaped, fenced, summary
from nginxws.report.gitlab import code_quality
from nginxws.report.notices import Notice, notices, of_error
from nginxws.report.outcome import show_outcomes
from nginxws.report.review import show_review, show_review_error

FAILED = ProbeResult(False, 502, "nginx", "nginx", "NGINX answered 502", "is it up?", None, 0.5)
#: Where the manifest wants things.
ENTRY = ("nginxws.toml", 3)
PLACES = {("lb1", "/ws/"): ("nginxws.toml", 7), ("lb1", ""): ENTRY}
HOSTILE = [
    "::error::owned", " ::set-output name=x::y", "##[error]owned", "\r::add-mask::x", "\n::debug::x",
    "a\n\n::stop-commands::x\n", "%0A::error::", "x,line=1::y", "--> <!-- <script>alert(1)</script>",
    "![x](http://evil/)", "a|b|c", "````\n# owned\n````", "</details><img src=x>", "@team #1 $x$ _a_ *b*",
    "\x1b[31m", "\u2028::error::x", "\udcff", "\u202e", "",
]  # fmt: skip
hostile = st.sampled_from(HOSTILE) | st.text(
    st.sampled_from("\n\r\t:#[]`|<>%,&*_!()\\$@-=~ aé\x1b\u2028\udc80"), max_size=30
)


def plan_of(node: str, *changes: Change, after: bytes = b"b\n") -> NodePlan:
    files = (FilePlan("/n.conf", "/n.conf", b"a\n", b"a\n" + after, [Edit(2, 2, after)]),)
    return NodePlan(node, changes, files if after else ())


# --- which notices there are ---------------------------------------------------------------------


def test_a_plan_is_told_where_it_is_wanted() -> None:
    changes = (
        Change("add", "/ws/", where="/n.conf:3"),
        Change("drift", "/gone/", where="/n.conf:9", note="take care"),
        Change("unchanged", "/x/"),
        Change("conflict", "/y/"),
    )
    found = list(notices([NodeOutcome("lb1", plan_of("lb1", *changes))], PLACES))
    assert found == [
        Notice("notice", "add", "lb1: /ws/ would be added", "nginxws.toml", 7, "lb1"),
        Notice("warning", "drift", "lb1: /gone/ was edited by hand: take care", "nginxws.toml", 3, "lb1"),
        Notice("error", "conflict", "lb1: /y/ has a hand-written location in its way", *ENTRY, "lb1"),
    ]


def test_without_a_manifest_the_nodes_own_lines_are_named() -> None:
    changes = (Change("add", "/ws/", where="/n.conf:3"), Change("remove", "/x/", where="odd"))
    done = NodeOutcome("lb1", plan_of("lb1", *changes), written=True)
    assert [(one.message, one.file, one.line) for one in notices([done], {})] == [
        ("lb1: /ws/ was added", "/n.conf", 3),
        ("lb1: /x/ was removed", "", 1),
    ]


def test_findings_and_probes_are_warnings() -> None:
    finding = Finding("crossplane", "warning", "unknown directive", "/n.conf", 4)
    applied = Applied(Committed(1), (("/ws/", FAILED), ("/ok/", replace(FAILED, ok=True))))
    found = list(notices([NodeOutcome("lb1", plan_of("lb1"), applied, findings=(finding,))], PLACES))
    assert found == [
        Notice("warning", "crossplane", "lb1: /n.conf:4: unknown directive", "nginxws.toml", 3, "lb1"),
        Notice("warning", "probe", "lb1: /ws/: not proved: NGINX answered 502", "nginxws.toml", 7, "lb1"),
    ]


def test_errors() -> None:
    error = ConfigError("no good", node="lb1", file="/n.conf", line=2, hint="mend it")
    outcome = NodeOutcome("lb1", plan_of("lb1", Change("add", "/ws/")), error=error)
    message = "lb1: /n.conf:2: no good; mend it"
    assert list(notices([outcome], PLACES)) == [
        Notice("error", "ConfigError", message, "nginxws.toml", 3, "lb1")
    ], "what would have been is not told of a node that failed"
    assert list(of_error(error)) == [Notice("error", "ConfigError", message, "/n.conf", 2, "lb1")]
    assert list(of_error(NginxwsError("odd"))) == [Notice("error", "NginxwsError", "odd")]


def test_every_problem_of_a_manifest_has_its_line() -> None:
    error = ManifestError([Problem(3, "a", "one", "hint"), Problem(9, "b", "two")], file="nginxws.toml")
    assert [(one.message, one.line) for one in of_error(error)] == [("one; hint", 3), ("two", 9)]


# --- GitHub --------------------------------------------------------------------------------------


def commands(text: str) -> Iterator[tuple[str, dict[str, str], str]]:
    """Workflow commands as the runner finds them (actions/runner, ActionCommand.cs)."""
    resume = None
    for line in re.split(r"\r\n|\r|\n", text):
        line = line.strip()
        if resume is not None:
            if line == f"::{resume}::":
                resume = None
            continue
        assert "##[" not in line
        match = re.match(r"::(\S+?)(?: (.*?))?::(.*)", line)
        if match is None:
            assert not line.startswith("::")
            continue
        name, listed, data = match.groups()
        pairs = (pair.partition("=") for pair in (listed or "").split(",") if pair)
        if name == "stop-commands":
            resume = data
        yield name, {key: unescaped(value) for key, _, value in pairs}, unescaped(data)
    assert resume is None


def unescaped(text: str) -> str:
    for code, char in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(code, char)
    return text


def test_an_annotation() -> None:
    notice = Notice("warning", "drift", "50%: a\nb", "dir,x/a:b.toml", 7, "lb1")
    assert annotation(notice) == (
        "::warning file=dir%2Cx/a%3Ab.toml,line=7,title=nginxws%3A drift::50%25: a%0Ab"
    )
    assert annotation(Notice("error", "E", "x")) == "::error title=nginxws%3A E::x"


@given(hostile, hostile, hostile)
def test_an_annotation_is_one_command_and_says_what_it_should(check: str, message: str, file: str) -> None:
    (command,) = commands(annotation(Notice("error", check, message, file, 3)))
    name, properties, _data = command
    assert name == "error"
    assert set(properties) == {"title"} | ({"file", "line"} if file else set())
    assert properties.get("line", "3") == "3"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_name_and_no_file_is_a_command_for_github(
    data: st.DataObject, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    node, path, note, where = (data.draw(hostile) for _ in range(4))
    text = data.draw(hostile).encode("utf-8", "surrogateescape") + b"\n"
    outcome = NodeOutcome(node, plan_of(node, Change("drift", path, where=where, note=note), after=text))
    capfdbinary.readouterr()
    show_review([outcome], "github", "t")
    out = capfdbinary.readouterr()[0].decode()
    names = [name for name, _properties, _data in commands(out)]
    assert names == ["warning", "group", "stop-commands", "endgroup"]
    # And without the runner's promise to look away, there is still nothing to see.
    token = re.search(r"^::stop-commands::(\w{32})$", out, re.MULTILINE)
    assert token is not None
    open_log = out.replace(f"::stop-commands::{token[1]}\n", "").replace(f"::{token[1]}::\n", "")
    assert [name for name, _properties, _data in commands(open_log)] == ["warning", "group", "endgroup"]


def outside_of_fences(text: str) -> tuple[list[str], int]:
    """The lines that are Markdown, and how many fenced blocks there are (CommonMark 4.5)."""
    plain: list[str] = []
    fence, blocks = "", 0
    for line in text.split("\n"):
        if fence:
            if re.fullmatch(rf" {{0,3}}{fence}`*[ \t]*", line):
                fence = ""
        elif match := re.match(r" {0,3}(`{3,})[^`]*$", line):
            fence, blocks = match[1], blocks + 1
        else:
            plain.append(line)
    assert not fence
    return plain, blocks


@given(hostile, hostile, hostile, hostile)
def test_a_summary_is_a_table_a_list_and_diffs(node: str, path: str, note: str, text: str) -> None:
    plan = plan_of(
        node, Change("conflict", path, note=note), after=text.encode("utf-8", "surrogateescape") + b"\n"
    )
    outcomes = [NodeOutcome(node, plan), NodeOutcome("lb2", error=NginxwsError(note, node=node))]
    made = summary(outcomes, list(notices(outcomes, {})), node)
    plain, blocks = outside_of_fences(made)
    assert blocks == 1
    rows = [line for line in plain if line.startswith("| ")]
    assert len(rows) == 3
    for row in rows:
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 8
    # An HTML block holds no Markdown: a backslash means nothing there.
    text_only = [line for line in plain if not re.fullmatch("<details>.*</summary>|</details>", line)]
    markup = re.sub(r"\\[!-/:-@\[-`{-~]", "", "\n".join(text_only))  # what is escaped is text
    assert not set(markup) & set("<>`[]!$@\x1b\r\u2028")
    (details,) = (line for line in plain if line.startswith("<details>"))
    assert not set(details.removeprefix("<details><summary>").removesuffix("</summary>")) & set("<>")


def test_a_fence_is_longer_than_any_in_it() -> None:
    assert fenced("+````\n") == "`````diff\n+````\n\n`````"
    assert fenced("").startswith("```diff\n")


def test_what_is_escaped() -> None:
    assert escaped("a_b <i> & x|y") == r"a\_b &lt;i&gt; &amp; x\|y"


def test_a_summary_that_would_be_too_long_has_no_diffs(monkeypatch: pytest.MonkeyPatch) -> None:
    outcomes = [NodeOutcome("lb1", plan_of("lb1", Change("drift", "/ws/"), after=b"x" * 4000 + b"\n"))]
    told = list(notices(outcomes, {}))
    assert "```" in summary(outcomes, [], "t")
    monkeypatch.setattr(github, "SUMMARY_LIMIT", 1000)
    made = summary(outcomes, told, "t")
    assert "```" not in made
    assert "| lb1 | 0 | 0 | 0 | 1 | 0 |" in made
    assert "too long" in made
    assert "edited by hand" in made
    assert "edited by hand" not in summary(outcomes, told * 100, "t")
    assert "hand-written" not in summary(outcomes, [Notice("notice", "add", "hand-written")], "t")


def test_what_became_of_each_node() -> None:
    applied = NodeOutcome("a", plan_of("a"), Applied(Committed(4)))
    outcomes = [
        applied,
        replace(applied, node="b", taken_back=Applied(Committed(5))),
        NodeOutcome("c", error=NginxwsError("no")),
        NodeOutcome("d", plan_of("d")),
        NodeOutcome("e", plan_of("e", after=b"")),
    ]
    rows = [
        line.split(" | ")[-1] for line in summary(outcomes, [], "t").splitlines() if line.startswith("| ")
    ]
    assert rows[1:] == [
        "applied, revision 4 |", "rolled back, revision 5 |", "failed\\: no |", "planned |", "unchanged |",
    ]  # fmt: skip


def test_the_summary_is_appended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "summary"
    file.write_text("before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(file))
    show_outcomes(
        [NodeOutcome("lb1", plan_of("lb1"))], ExitCode.DONE, "github", quiet=False, title="what ran"
    )
    show_review_error(NginxwsError("a <b> problem"), "github")
    text = file.read_text()
    assert text.startswith("before\n### what ran\n")
    assert text.endswith("- **error** a &lt;b&gt; problem\n")
    capsys.readouterr()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path))
    show_review([], "github", "t")
    assert capsys.readouterr().err.startswith("warning: the step summary could not be written: ")


@pytest.mark.parametrize("variable", ["GITHUB_WORKSPACE", "CI_PROJECT_DIR"])
def test_paths_are_the_repositorys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str
) -> None:
    for name in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "team").mkdir()
    monkeypatch.chdir(tmp_path / "team")
    monkeypatch.setenv(variable, str(tmp_path))

    def file_of(name: str | None) -> str:
        show_review_error(NginxwsError("x", file=name), "github")
        ((_name, properties, _data),) = commands(capsys.readouterr().out)
        return properties.get("file", "")

    assert file_of("nginxws.toml") == "team/nginxws.toml"
    assert file_of(str(tmp_path / "a.toml")) == "a.toml"
    assert file_of("/etc/nginx/nginx.conf") == "/etc/nginx/nginx.conf"
    assert file_of(None) == ""


# --- GitLab --------------------------------------------------------------------------------------


def issues(text: str) -> list[dict[str, Any]]:
    """The report, held to the fields of docs.gitlab.com, "Code Quality report format"."""
    found = json.loads(text)
    assert isinstance(found, list)
    for issue in found:
        assert set(issue) == {"description", "check_name", "fingerprint", "severity", "location"}
        assert all(isinstance(issue[key], str) and issue[key] for key in ("check_name", "fingerprint"))
        assert isinstance(issue["description"], str)
        assert issue["severity"] in ("info", "minor", "major", "critical", "blocker")
        assert set(issue["location"]) == {"path", "lines"}
        assert issue["location"]["path"]
        assert not issue["location"]["path"].startswith("./")
        assert isinstance(issue["location"]["lines"]["begin"], int)
    assert len({issue["fingerprint"] for issue in found}) == len(found)
    return found


def test_a_report() -> None:
    (first, second) = issues(
        code_quality(
            [Notice("error", "drift", "lb1: x", "nginxws.toml", 7, "lb1"), Notice("notice", "add", "y")]
        )
    )
    assert first == {
        "description": "lb1: x",
        "check_name": "nginxws-drift",
        "fingerprint": first["fingerprint"],
        "severity": "major",
        "location": {"path": "nginxws.toml", "lines": {"begin": 7}},
    }
    assert (second["severity"], second["location"]["path"]) == ("info", "nginxws.toml")
    assert issues(code_quality([])) == []


def test_a_fingerprint_outlives_other_lines() -> None:
    def prints(*found: Notice) -> list[str]:
        return [issue["fingerprint"] for issue in issues(code_quality(found))]

    one = Notice("error", "drift", "x", "a.toml", 7)
    assert prints(one) == prints(replace(one, line=9))
    assert prints(one, one)[0] == prints(one)[0]
    for other in (
        replace(one, message="y"), replace(one, check="z"), replace(one, node="n"), replace(one, file="b"),
    ):  # fmt: skip
        assert prints(other) != prints(one)


@given(st.lists(st.builds(Notice, st.just("warning"), hostile, hostile, hostile), max_size=4))
def test_any_report_is_one(found: list[Notice]) -> None:
    text = code_quality(found)
    assert text.isascii()
    assert len(issues(text)) == len(found)


def test_stdout_is_the_report_alone(capsys: pytest.CaptureFixture[str]) -> None:
    outcome = NodeOutcome("lb1", plan_of("lb1", Change("add", "/ws/")))
    show_outcomes([outcome], ExitCode.DONE, "gitlab", quiet=True, places=PLACES)
    (issue,) = issues(capsys.readouterr().out)
    assert issue["location"] == {"path": "nginxws.toml", "lines": {"begin": 7}}
    show_review_error(ManifestError([Problem(3, "a", "one", "hint")], file="nginxws.toml"), "gitlab")
    (issue,) = issues(capsys.readouterr().out)
    assert issue["location"]["lines"]["begin"] == 3
