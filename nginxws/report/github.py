"""GitHub Actions: annotations as workflow commands, and the step summary in Markdown.

docs.github.com, "Workflow commands for GitHub Actions". Nothing that a node or a file says may become a
command or markup: values are escaped as that page says, and diffs stand in a fence that they can't close.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Iterator, Sequence

from nginxws.deploy import NodeOutcome
from nginxws.printable import clean, one_line
from nginxws.report.ci_log import spelled, without_brackets
from nginxws.report.notices import Notice

#: Bytes of a step's summary that GitHub takes.
SUMMARY_LIMIT = 1024 * 1024
_MARKUP = re.compile(r"([\\`*_{}\[\]()#+.!|~@:/$-])")


def annotation(notice: Notice) -> str:
    """One annotation, a workflow command: ``::error file=…,line=…,title=…::message``."""
    properties = {"title": f"nginxws: {notice.check}"}
    if notice.file:
        properties = {"file": notice.file, "line": str(notice.line), **properties}
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{notice.level} {listed}::{_data(notice.message)}"


def group(title: str, text: str) -> str:
    """Lines to be folded in the log. None is a command; GitHub is told not to look all the same."""
    token = secrets.token_hex(16)
    lines = spelled("\n".join(clean(line) for line in text.split("\n")), {"GITHUB_ACTIONS": "true"})
    return f"::group::{_data(title)}\n::stop-commands::{token}\n{lines}\n::{token}::\n::endgroup::\n"


def _data(text: str) -> str:
    text = without_brackets(clean(text)).replace("%", "%25")
    return text.replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def summary(outcomes: Sequence[NodeOutcome], notices: Iterable[Notice], title: str) -> str:
    """The step summary: a table of nodes, what is to be said, and each node's diff.

    Cut at ``SUMMARY_LIMIT`` bytes, and then it says so: GitHub would show nothing of a longer one.
    """
    told = list(notices)
    text = "\n".join(_sections(outcomes, told, title)) + "\n"
    for fewer in (told, []):
        if len(text.encode("utf-8", "replace")) <= SUMMARY_LIMIT:
            break
        brief = "\n".join(_sections(outcomes, fewer, title, diffs=False))
        text = f"{brief}\n\nMore would be too long for a step summary: see the log.\n"
    return text


def _sections(
    outcomes: Sequence[NodeOutcome], notices: Sequence[Notice], title: str, *, diffs: bool = True
) -> Iterator[str]:
    yield f"### {escaped(title)}\n"
    if outcomes:
        yield "| node | add | change | remove | drift | conflict | result |"
        yield "|---|---|---|---|---|---|---|"
        yield from map(_row, outcomes)
        yield ""
    for notice in notices:
        if notice.level != "notice":
            yield f"- **{notice.level}** {escaped(notice.message)}"
    for outcome in outcomes if diffs else ():
        if outcome.plan is not None and outcome.plan.diff:
            yield f"\n<details><summary>{_in_html(outcome.node)}</summary>\n"
            yield fenced(outcome.plan.diff)
            yield "\n</details>"


def _row(outcome: NodeOutcome) -> str:
    changes = outcome.plan.changes if outcome.plan is not None else ()
    counts = [
        str(sum(change.action == action for change in changes))
        for action in ("add", "change", "remove", "drift", "conflict")
    ]
    return f"| {escaped(outcome.node)} | {' | '.join(counts)} | {escaped(_result(outcome))} |"


def _result(outcome: NodeOutcome) -> str:
    if outcome.error is not None:
        return f"{outcome.result}: {outcome.error.message}"
    kept = outcome.taken_back or outcome.applied
    return outcome.result if kept is None else f"{outcome.result}, revision {kept.committed.revision}"


def escaped(text: str) -> str:
    """Text that is nothing but text in Markdown and in the HTML inside it, on one line."""
    return _MARKUP.sub(r"\\\1", _in_html(text))


def _in_html(text: str) -> str:
    return one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def fenced(diff: str) -> str:
    """A diff as a code block. The fence is longer than any run of backticks in it (CommonMark 4.5)."""
    longest = max((len(run) for run in re.findall(r"`+", diff)), default=0)
    fence = "`" * max(3, longest + 1)
    lines = "\n".join(clean(line) for line in diff.split("\n"))
    return f"{fence}diff\n{lines}\n{fence}"
