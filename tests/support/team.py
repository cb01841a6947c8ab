"""A team that keeps its routes in git, and the CI services that run its pipelines, as a shell sees them."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from support.command import STUCK, Done
from support.nginx import NginxNode
from support.recipes import Job, Step, github_job, gitlab_job, write_scripts
from support.sshd import SshServer

#: gh(1) of GitHub: `api` of the repository's artifacts by name with a jq program, and `run download`.
_GH = """\
#!/bin/sh
set -eu
[ "$GH_TOKEN" = job-token ]
case $1 in
api)
  name=${2#"repos/team/routes/actions/artifacts?name="}
  [ "$name" != "$2" ] && [ "$3" = --jq ]
  jq --arg name "$name" '{artifacts: [.[] | select(.name == $name)]}' "$ARTIFACTS/list.json" | jq -r "$4"
  ;;
run)
  [ "$2 $4 $5 $6" = "download --repo team/routes --name" ]
  cp "$ARTIFACTS/$3/$7/plan.json" .
  ;;
esac
"""


class Team:
    """A repository with a manifest of one node, ``lb1``, and the means of a CI machine."""

    def __init__(self, folder: Path, node: NginxNode, server: SshServer, scripts: str) -> None:
        self.folder, self.node, self.server = folder, node, server
        self.repository = folder / "routes"
        self.runs = 0
        for name in ("bin", "home", "artifacts"):
            (folder / name).mkdir()
        self._program("nginxws", f'#!/bin/sh\nexec {sys.executable} -m nginxws "$@"\n')
        self._program("gh", _GH)
        self.repository.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")
        write_scripts(scripts, self.repository)
        (self.repository / "ci" / "known_hosts").write_text(f"{server.known_as} {server.host_public_key}\n")
        self.commit("main")

    def commit(self, branch: str, *routes: str) -> None:
        """A commit of the manifest with these routes, on a branch."""
        node = self.node
        lines = ["format = 1", "[nodes.lb1]", f'ssh = "{self.server.host}:{self.server.port}"']
        for key, value in (("nginx_conf", node.conf), ("nginx_bin", node.binary), ("state_dir", node.state)):
            lines.append(f'{key} = "{value}"')
        lines += [f"[[routes]]\n{route}" for route in routes]
        self.git("checkout", "--quiet", "-B", branch)
        (self.repository / "nginxws.toml").write_text("\n".join(lines) + "\n")
        self.git("add", ".")
        self.git("commit", "--quiet", "--message", f"routes: {len(routes)}")

    def merge(self, branch: str) -> None:
        """Squash a branch into main, as a review's merge button does."""
        self.git("checkout", "--quiet", "main")
        self.git("merge", "--quiet", "--squash", branch)
        self.git("commit", "--quiet", "--message", f"{branch} (#7)")

    def git(self, *words: str) -> None:
        subprocess.run(
            ["git", *words], cwd=self.repository, env=self.environment(), check=True, capture_output=True
        )

    def environment(self) -> dict[str, str]:
        """What every CI machine has; nothing of the tests' own."""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}:/usr/sbin:/sbin"
        person = {f"GIT_{role}_{what}": "a@example.com" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}  # noqa: E501  # fmt: skip
        return {"PATH": path, "HOME": str(self.folder / "home"), "LANG": "C.UTF-8", "CI": "true", **person}

    def checkout(self, branch: str) -> Path:
        """A fresh copy of a branch, as each job gets it."""
        self.runs += 1
        work = self.folder / f"work {self.runs}"
        self.git("clone", "--quiet", "--branch", branch, str(self.repository), str(work))
        return work

    def _program(self, name: str, text: str) -> None:
        (self.folder / "bin" / name).write_text(text)
        (self.folder / "bin" / name).chmod(0o755)


class Service:
    """What runs the pipelines. ``keys`` are the private keys for planning and applying."""

    def __init__(self, team: Team, page: str) -> None:
        self.team, self.page = team, page
        self.keys = {name: team.server.key.with_name(name).read_text() for name in ("plan", "apply")}
        #: Where the last job worked.
        self.work = Path()

    def plan(self, branch: str) -> Done:
        """The plan job of a review."""
        raise NotImplementedError

    def apply(self) -> Done:
        """The apply job after the merge."""
        raise NotImplementedError

    def drift(self) -> Done:
        """The scheduled job."""
        raise NotImplementedError

    def run(self, shell: list[str], text: str, env: Mapping[str, str]) -> Done:
        """Run shell text in the checkout, from a file as the services do."""
        file = self.team.folder / "step.sh"
        file.write_text(text)
        done = subprocess.run(
            [*shell, str(file)],
            cwd=self.work,
            env={**self.team.environment(), **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=2 * STUCK,
            check=False,
        )
        return Done(done.returncode, done.stdout.decode(), done.stderr.decode())


class PlainShell(Service):
    """The scripts, called by hand."""

    def plan(self, branch: str) -> Done:
        return self._call(branch, "plan", f'sh ci/plan.sh "{self.team.folder / "artifacts"}"')

    def apply(self) -> Done:
        return self._call("main", "apply", f'sh ci/apply.sh "{self.team.folder / "artifacts"}"')

    def drift(self) -> Done:
        return self._call("main", "plan", "sh ci/drift.sh")

    def _call(self, branch: str, key: str, text: str) -> Done:
        self.work = self.team.checkout(branch)
        env = {"DEPLOY_KEY": self.keys[key], "DEPLOY_USER": self.team.server.user}
        return self.run(["sh", "-e"], text, env)


class GitHub(Service):
    """GitHub Actions: each step a `bash -e` of its own, files for environment, outputs and summary."""

    summary = ""

    def plan(self, branch: str) -> Done:
        done, outputs = self._job("plan", branch, "pull_request")
        if done.code == 0:
            self._upload(outputs["name"])
        return done

    def apply(self) -> Done:
        return self._job("apply", "main", "push")[0]

    def drift(self) -> Done:
        return self._job("drift", "main", "schedule")[0]

    def job(self, name: str) -> Job:
        key = self.keys["apply" if name == "apply" else "plan"]
        values = {"secrets.DEPLOY_KEY": key, "vars.DEPLOY_USER": self.team.server.user}
        return github_job(self.page, name, {**values, "github.token": "job-token"})

    def _job(self, name: str, branch: str, event: str) -> tuple[Done, dict[str, str]]:
        self.work = self.team.checkout(branch)
        temp = self.work.with_name(f"{self.work.name} temp")
        temp.mkdir()
        files = {key: temp / key.lower() for key in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        for file in files.values():
            file.touch()
        done = Done(0, "", "")
        for step in self.job(name).steps:
            env = {"GITHUB_ACTIONS": "true", "GITHUB_EVENT_NAME": event, "GITHUB_REPOSITORY": "team/routes"}
            env |= {"GITHUB_WORKSPACE": str(self.work), "RUNNER_TEMP": str(temp)}
            env |= {"ARTIFACTS": str(self.team.folder / "artifacts")} | _pairs(files["GITHUB_ENV"])
            env |= {key: str(file) for key, file in files.items()} | dict(step.env)
            one = self.run(["bash", "-e"], step.shell, env)
            done = Done(one.code, done.out + one.out, done.err + one.err)
            if one.code:
                break
        self.summary = files["GITHUB_STEP_SUMMARY"].read_text()
        return done, _pairs(files["GITHUB_OUTPUT"])

    def _upload(self, name: str) -> None:
        """What actions/upload-artifact does, and before it somebody's fork with an artifact of that name."""
        artifacts, run = self.team.folder / "artifacts", 100 + self.team.runs
        (artifacts / f"{run}" / name).mkdir(parents=True)
        shutil.copy(self.work / "plan.json", artifacts / f"{run}" / name)
        listed = artifacts / "list.json"
        entries = json.loads(listed.read_text()) if listed.exists() else []
        ids = {"id": run, "repository_id": 1, "head_repository_id": 1}
        made = {"name": name, "expired": False, "created_at": f"2026-01-01T00:{self.team.runs:02}:00Z"}
        fork = {**made, "created_at": "2027-01-01T00:00:00Z", "workflow_run": {**ids, "id": 1, "head_repository_id": 2}}  # noqa: E501  # fmt: skip
        listed.write_text(json.dumps([fork, {**made, "workflow_run": ids}, *entries]))


class GitLab(Service):
    """GitLab CI: a job's lines in one bash, a package registry, keys as files that are open to all."""

    def __init__(self, team: Team, page: str, url: str) -> None:
        super().__init__(team, page)
        self.url = url

    def plan(self, branch: str) -> Done:
        return self._job("plan", branch, "merge_request_event", "plan")

    def apply(self) -> Done:
        return self._job("apply", "main", "push", "apply")

    def drift(self) -> Done:
        return self._job("drift", "main", "schedule", "plan")

    def _job(self, name: str, branch: str, source: str, key: str) -> Done:
        self.work = self.team.checkout(branch)
        file = self.team.folder / key
        file.write_text(self.keys[key].rstrip("\n"))
        file.chmod(0o666)
        given = {
            "GITLAB_CI": "true",
            "CI_JOB_ID": f"{os.getpid()}-{self.team.runs}",
            f"{key.upper()}_KEY": str(file),
        }
        given |= {"CI_API_V4_URL": self.url, "CI_PROJECT_ID": "3", "CI_JOB_TOKEN": "job-token"}
        given |= {"CI_PIPELINE_SOURCE": source, "CI_PROJECT_DIR": str(self.work)}
        job = gitlab_job(self.page, name)
        env = {**given, **{key: _expanded(text, given) for key, text in job.env.items()}}
        env["DEPLOY_USER"] = self.team.server.user
        main, after = job.steps
        done = self.run(["bash", "-eo", "pipefail"], main.shell, env)
        assert self.run(["bash", "-eo", "pipefail"], after.shell, env).code == 0
        assert not Path(env["NGINXWS_SSH_CONFIG"]).parent.exists()
        return done


def syntax(step: Step) -> str:
    """What shellcheck has against a step."""
    argv = ["shellcheck", "--shell=bash", "--exclude=SC2154", "-"]
    return subprocess.run(argv, input=step.shell, text=True, capture_output=True, check=False).stdout


def _pairs(file: Path) -> dict[str, str]:
    return dict(line.split("=", 1) for line in file.read_text().splitlines())


def _expanded(text: str, values: Mapping[str, str]) -> str:
    return re.sub(r"\$(\w+)", lambda found: values[found[1]], text)
