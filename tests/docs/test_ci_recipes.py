"""The CI recipes do what their pages say: their shell runs here, against a real balancer over real SSH."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.backend import Backend, echo_backend, echoes
from support.fleet import route
from support.login import keygen, public
from support.nginx import NginxNode
from support.packages import registry
from support.recipes import document, github_job, gitlab_job, scripts
from support.sshd import SshServer, need, running
from support.team import GitHub, GitLab, PlainShell, Service, Team, syntax

PLAIN, GITHUB, GITLAB = (
    f"docs/how-to/{name}.md" for name in ("plain-shell-pipeline", "github-actions", "gitlab-ci")
)
ROOT = Path(__file__).parents[2]
#: What only the service has, so that it doesn't run here: every job's, in order.
WHEEL = "./ci/nginxws-0.1.0-py3-none-any.whl"
LEFT_OUT = {
    "plan": ["actions/checkout@v4", f"pipx install {WHEEL}", "actions/upload-artifact@v4"],
    "apply": ["actions/checkout@v4", f"pipx install {WHEEL}"],
    "drift": ["actions/checkout@v4", f"pipx install {WHEEL}"],
}
VALUES = {"secrets.DEPLOY_KEY": "", "vars.DEPLOY_USER": "", "github.token": ""}


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NginxNode]:
    made = NginxNode(tmp_path / "node", need("nginx"))
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    """OpenSSH that knows the two keys, restricted as the page says."""
    folder = tmp_path_factory.mktemp("sshd")
    (restrictions,) = re.findall(r"^```text\n(restrict.*?)^```", plain_page(), re.M | re.S)
    with running(need("sshd"), folder, (), "ed25519") as made:
        lines = []
        for name, line in zip(("plan", "apply"), restrictions.splitlines(), strict=True):
            keygen(folder / name)
            lines.append(f"{line.partition(' ')[0]} {public(folder / name)}\n")
        made.authorized_keys.write_text("".join(lines))
        yield made


def plain_page() -> str:
    return (ROOT / PLAIN).read_text()


@pytest.fixture
def team(tmp_path: Path, node: NginxNode, server: SshServer, pages: dict[str, str]) -> Team:
    for program in ("curl", "git", "jq"):
        need(program)
    (tmp_path / "ci machine").mkdir()
    return Team(tmp_path / "ci machine", node, server, pages[PLAIN])


@pytest.fixture(params=["plain", "github", "gitlab"])
def service(request: pytest.FixtureRequest, team: Team, pages: dict[str, str]) -> Iterator[Service]:
    if request.param == "gitlab":
        with registry("job-token") as packages:
            yield GitLab(team, pages[GITLAB], packages.url)
    elif request.param == "github":
        yield GitHub(team, pages[GITHUB])
    else:
        yield PlainShell(team, pages[PLAIN])


@pytest.fixture
def backend() -> Iterator[Backend]:
    with echo_backend() as made:
        yield made


# --- a route's way through a pipeline ---------------------------------------------------------------


@pytest.mark.nginx
@pytest.mark.sshd
def test_planned_in_review_applied_after_the_merge(service: Service, team: Team, backend: Backend) -> None:
    node = team.node
    team.commit("chat", route("/ws/", backend.address))
    with node.untouched():
        planned = service.plan("chat")
    assert planned.code == 0, planned.err
    assert "+    location ^~ /ws/ {" in planned.out
    assert b"nginxws" not in node.site.read_bytes()

    team.merge("chat")
    applied = service.apply()
    assert applied.code == 0, applied.err
    assert echoes(node.port)
    assert len(node.revisions()) == 1

    with node.untouched():
        assert service.drift().code == 0
        again = service.apply()
        assert again.code == 7, "the plan of a node that has changed by it"
        assert "not what was planned any more" in again.out + again.err
        assert service.plan("main").code == 0
        assert service.apply().code == 0, "nothing to do"

    node.site.write_bytes(node.site.read_bytes().replace(b"proxy_read_timeout 1h", b"proxy_read_timeout 2h"))
    with node.untouched():
        drifted = service.drift()
        assert drifted.code == 2
        assert "a node isn't as nginxws.toml says" in drifted.out + drifted.err


@pytest.mark.nginx
@pytest.mark.sshd
def test_a_change_since_the_plan_is_left_alone(service: Service, team: Team, backend: Backend) -> None:
    team.commit("chat", route("/ws/", backend.address))
    assert service.plan("chat").code == 0
    team.merge("chat")
    team.node.site.write_text(team.node.site.read_text() + "# an admin was here\n")
    with team.node.untouched():
        stale = service.apply()
    assert stale.code == 7
    assert "not what was planned any more" in stale.out + stale.err


@pytest.mark.nginx
@pytest.mark.sshd
def test_a_merge_that_nobody_planned_is_refused(service: Service, team: Team, backend: Backend) -> None:
    team.commit("chat", route("/ws/", backend.address))
    assert service.plan("chat").code == 0
    team.commit("main", route("/other/", backend.address))
    with team.node.untouched():
        refused = service.apply()
    assert refused.code == 1
    assert "no plan was made for this manifest" in refused.out + refused.err


@pytest.mark.nginx
@pytest.mark.sshd
def test_a_host_that_shows_another_key_gets_nothing(service: Service, team: Team, tmp_path: Path) -> None:
    known = team.repository / "ci" / "known_hosts"
    known.write_text(f"{team.server.known_as} {public(keygen(tmp_path / 'other'))}\n")
    team.commit("main")
    refused = service.plan("main")
    assert refused.code == 6
    assert "host key" in refused.err


@pytest.mark.nginx
@pytest.mark.sshd
def test_without_its_secret_a_job_says_so(service: Service) -> None:
    service.keys = {"plan": "", "apply": ""}
    refused = service.plan("main")
    assert refused.code != 0
    assert "the secret is missing or not for this job" in refused.err


# --- what the services show -------------------------------------------------------------------------


@pytest.mark.nginx
@pytest.mark.sshd
def test_github_shows_the_plan(team: Team, backend: Backend, pages: dict[str, str]) -> None:
    github = GitHub(team, pages[GITHUB])
    team.commit("chat", route("/ws/", backend.address))
    planned = github.plan("chat")
    line = next(
        number for number, text in enumerate((github.work / "nginxws.toml").read_text().split("\n"), 1)
        if text == "[[routes]]"
    )  # fmt: skip
    assert f"::notice file=nginxws.toml,line={line},title=nginxws%3A add::" in planned.out
    assert "| lb1 | 1 | 0 | 0 | 0 | 0 | planned |" in github.summary
    assert "+    location ^~ /ws/ {" in github.summary
    key = github.work.with_name(f"{github.work.name} temp") / "ssh" / "key"
    assert key.stat().st_mode & 0o777 == 0o600


@pytest.mark.nginx
@pytest.mark.sshd
def test_gitlab_gets_a_report(team: Team, backend: Backend, pages: dict[str, str]) -> None:
    with registry("job-token") as packages:
        gitlab = GitLab(team, pages[GITLAB], packages.url)
        team.commit("chat", route("/ws/", backend.address))
        assert gitlab.plan("chat").code == 0
    (issue,) = json.loads((gitlab.work / "codequality.json").read_text())
    assert issue["location"]["path"] == "nginxws.toml"
    assert "+    location ^~ /ws/ {" in (gitlab.work / "plan.txt").read_text()
    ((path, saved),) = packages.kept.items()
    assert path.startswith("/projects/3/packages/generic/nginxws-plan/")
    assert json.loads(saved)["nodes"]["lb1"]["changes"][0]["action"] == "add"


# --- the pages themselves ---------------------------------------------------------------------------


def test_what_only_the_service_has_is_known(pages: dict[str, str]) -> None:
    workflow = document(pages[GITHUB])
    assert list(workflow["jobs"]) == list(LEFT_OUT)
    for job, left_out in LEFT_OUT.items():
        assert github_job(pages[GITHUB], job, VALUES).left_out == left_out
        assert gitlab_job(pages[GITLAB], job).left_out == [f"pip install {WHEEL}"]
    jobs = [
        name for name, one in document(pages[GITLAB]).items() if isinstance(one, dict) and "script" in one
    ]
    assert jobs == list(LEFT_OUT)


def test_jobs_have_least_rights(pages: dict[str, str]) -> None:
    workflow = document(pages[GITHUB])
    assert workflow["permissions"] == {"contents": "read"}
    assert [job.get("permissions") for job in workflow["jobs"].values()] == [
        None,
        {"contents": "read", "actions": "read"},
        None,
    ]
    assert [job["environment"] for job in workflow["jobs"].values()] == [
        "nginxws-plan",
        "nginxws",
        "nginxws-plan",
    ]
    assert workflow["jobs"]["apply"]["concurrency"] == {"group": "nginxws", "cancel-in-progress": False}
    assert "refs/heads/main" in workflow["jobs"]["apply"]["if"]
    assert document(pages[GITLAB])["apply"]["resource_group"] == "nginxws"
    for job in ("plan", "drift"):
        assert "APPLY_KEY" not in str(document(pages[GITLAB])[job])


def test_host_keys_are_never_asked_for_at_run_time(pages: dict[str, str]) -> None:
    shells = list(scripts(pages[PLAIN]).values())
    assert set(scripts(pages[PLAIN])) == {"ci/connect.sh", "ci/plan.sh", "ci/apply.sh", "ci/drift.sh"}
    for job in LEFT_OUT:
        shells += [step.shell for step in github_job(pages[GITHUB], job, VALUES).steps]
        shells += [step.shell for step in gitlab_job(pages[GITLAB], job).steps]
    assert not any("ssh-keyscan" in text or "accept-new" in text for text in shells)


def test_the_shell_is_sound(pages: dict[str, str], tmp_path: Path) -> None:
    for job in LEFT_OUT:
        for step in (*github_job(pages[GITHUB], job, VALUES).steps, *gitlab_job(pages[GITLAB], job).steps):
            assert not syntax(step), f"{job}: {step.name}"
    for path, text in scripts(pages[PLAIN]).items():
        file = tmp_path / Path(path).name
        file.write_text(text)
        done = subprocess.run([need("shellcheck"), str(file)], capture_output=True, text=True, check=False)
        assert not done.stdout
