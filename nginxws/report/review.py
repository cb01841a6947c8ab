"""Results for services that review changes: GitHub's annotations and step summary, GitLab's code quality."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from nginxws.deploy import NodeOutcome
from nginxws.errors import NginxwsError
from nginxws.report.github import annotation, group, summary
from nginxws.report.gitlab import code_quality
from nginxws.report.notices import Notice, Places, notices, of_error
from nginxws.report.text import show_raw, show_warning

#: The values of ``--format`` that are made here.
FORMATS = ("github", "gitlab")


def show_review(
    outcomes: Sequence[NodeOutcome], output_format: str, title: str, places: Places | None = None
) -> None:
    """The result of a command on stdout; for GitHub also in the step's summary."""
    found = _in_repository(notices(outcomes, places or {}), os.environ)
    if output_format == "gitlab":
        show_raw(code_quality(found) + "\n")
        return
    show_raw("".join(f"{annotation(one)}\n" for one in found) + "".join(map(_diff, outcomes)))
    _append_summary(summary(outcomes, found, title))


def show_review_error(error: NginxwsError, output_format: str) -> None:
    """The same for a command that ended before it had anything to say of a node."""
    found = _in_repository(of_error(error), os.environ)
    if output_format == "gitlab":
        show_raw(code_quality(found) + "\n")
        return
    show_raw("".join(f"{annotation(one)}\n" for one in found))
    _append_summary(summary([], found, "nginxws"))


def _diff(outcome: NodeOutcome) -> str:
    diff = outcome.plan.diff if outcome.plan is not None else ""
    return group(outcome.node, diff.removesuffix("\n")) if diff else ""


def _append_summary(text: str) -> None:
    path = os.environ.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with Path(path).open("a", encoding="utf-8", errors="replace", newline="\n") as stream:
            stream.write(text)
    except OSError as error:
        show_warning(f"the step summary could not be written: {error.strerror}")


def _in_repository(found: Iterator[Notice], environ: Mapping[str, str]) -> list[Notice]:
    """The notices with paths as the service knows them: relative to the repository's root."""
    root = environ.get("GITHUB_WORKSPACE") or environ.get("CI_PROJECT_DIR")
    if not root:
        return list(found)
    return [replace(one, file=_relative(one.file, Path(root).resolve())) for one in found]


def _relative(file: str, root: Path) -> str:
    if not file:
        return file
    path = Path(os.path.abspath(file))  # noqa: PTH100 (a symbolic link in the repository keeps its own name)
    resolved = path.parent.resolve() / path.name
    return resolved.relative_to(root).as_posix() if resolved.is_relative_to(root) else file
