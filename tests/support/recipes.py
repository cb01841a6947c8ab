"""The CI recipes of docs/how-to, taken apart: jobs, the shell of each, and what only the service has."""

from __future__ import annotations

import re
import stat
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

_YAML = re.compile(r"^```yaml\n(.*?)^```", re.M | re.S)
_SH = re.compile(r"^```sh\n(#!/bin/sh\n# (ci/[a-z]+\.sh)\b.*?)^```", re.M | re.S)
_EXPRESSION = re.compile(r"\$\{\{ *([a-z_.A-Z]+) *\}\}")


@dataclass(frozen=True, slots=True)
class Step:
    """A piece of shell that runs by itself; ``env`` are variables of its own."""

    name: str
    shell: str
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Job:
    """Steps in their order, and what is left out because only the service can do it."""

    steps: Sequence[Step]
    left_out: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)


def document(page: str) -> dict[str, Any]:
    """The one YAML block of a page."""
    (text,) = _YAML.findall(page)
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def scripts(page: str) -> dict[str, str]:
    """The scripts of a page by the path that their second line names."""
    return {path: text for text, path in _SH.findall(page)}


def write_scripts(page: str, folder: Path) -> None:
    """Put a page's scripts where they belong in a repository."""
    for path, text in scripts(page).items():
        target = folder / path
        target.parent.mkdir(exist_ok=True)
        target.write_text(text)
        target.chmod(target.stat().st_mode | stat.S_IXUSR)


def github_job(page: str, name: str, values: Mapping[str, str]) -> Job:
    """A job of a GitHub workflow; ``values`` are those of its expressions, like ``secrets.DEPLOY_KEY``."""
    steps, left_out = [], []
    for step in document(page)["jobs"][name]["steps"]:
        shell = step.get("run", "")
        if "uses" in step or shell.startswith("pipx install"):
            left_out.append(step.get("uses") or shell)
            continue
        assert not _EXPRESSION.search(shell), "an expression in a script is shell injection waiting to happen"
        env = {key: _EXPRESSION.sub(lambda found: values[found[1]], text)
               for key, text in step.get("env", {}).items()}  # fmt: skip
        steps.append(Step(step["name"], shell, env))
    return Job(steps, left_out)


def gitlab_job(page: str, name: str) -> Job:
    """A job of a GitLab pipeline: one step, since GitLab runs before_script and script in one shell."""
    jobs = document(page)
    job = jobs[name]
    base = jobs[job["extends"]]
    lines = [*base["before_script"], *job["script"]]
    left_out = [line for line in lines if line.startswith("pip install")]
    shell = "\n".join(line for line in lines if line not in left_out)
    env = {**base["variables"], **job.get("variables", {})}
    after = Step("after_script", "\n".join(base["after_script"]))
    return Job([Step(name, shell), after], left_out, env)
