"""Nothing is undocumented: commands, options, variables, exit codes, template variables, JSON fields."""

from __future__ import annotations

import importlib.util
import re
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest
from jinja2 import Environment, meta

from nginxws import __version__
from nginxws.config.tree import MappingReader, load
from nginxws.deploy import Applied, NodeOutcome
from nginxws.environment.wanted import Url, WantedApp
from nginxws.errors import ExitCode, NginxwsError
from nginxws.inventory import ListedRoute
from nginxws.nodes.homes import HOMES
from nginxws.nodes.probe.types import ProbeResult
from nginxws.nodes.probe.url import UrlReport
from nginxws.nodes.probe.websocket import EchoResult, IdleResult
from nginxws.nodes.transaction import Committed, Recovered
from nginxws.plan import Change, NodePlan
from nginxws.providers import jelastic  # noqa: F401  (its kinds of errors are documented, too)
from nginxws.provisioning.types import AppOutcome, Outcome, Proved
from nginxws.report import env_status, environment, history, recovery, routes, status
from nginxws.report import probe as url_probe
from nginxws.report.env_status import AppStanding, BalancerStanding, Standing
from nginxws.report.outcome import as_json
from nginxws.revision import History, Revision, RevisionFile
from nginxws.snapshot import FileState, NginxInfo, Pending, Snapshot
from nginxws.status import node_status

TEMPLATES = Path(__file__).parents[2] / "templates"


@pytest.fixture(scope="module")
def generator(root: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("gen_reference", root / "tools" / "gen_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_command_reference_is_current(generator: ModuleType, pages: dict[str, str]) -> None:
    assert pages["docs/reference/cli.md"] == generator.page(), "run `make docs`"


def test_every_command_has_a_section_and_a_place_in_the_readme(
    commands: dict[str, click.Command], pages: dict[str, str]
) -> None:
    for name in commands:
        assert f"\n## {name}\n" in pages["docs/reference/cli.md"]
        assert f"nginxws {name}" in pages["README.md"]


def test_every_option_and_its_variable_are_documented(
    commands: dict[str, click.Command], pages: dict[str, str]
) -> None:
    sections = dict(
        re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", pages["docs/reference/cli.md"], re.M | re.S)
    )
    for name, command in commands.items():
        options = [one for one in command.params if isinstance(one, click.Option)]
        assert options or name == "schema" or isinstance(command, click.Group), "it has nothing to choose"
        for option in options:
            assert isinstance(option.envvar, str), f"{name} {option.name} has no environment variable"
            assert option.help, f"{name} {option.name} has no help"
            row = rf"\| `[^`]*{re.escape(option.opts[-1])}\b[^`]*` \| `{option.envvar}` \| \S"
            assert re.search(row, sections[name]), f"{name} {option.opts}"


@pytest.mark.parametrize("page", ["README.md", "docs/reference/exit-codes.md"])
def test_every_exit_code_is_documented_and_no_other(page: str, pages: dict[str, str]) -> None:
    rows = re.findall(r"^\| `?(\d+)`? \|", pages[page], re.M)
    assert [int(row) for row in rows] == [code.value for code in ExitCode]


def test_every_kind_of_error_is_documented(pages: dict[str, str]) -> None:
    kinds = {NginxwsError}
    while more := {sub for kind in kinds for sub in kind.__subclasses__()} - kinds:
        kinds |= more
    for kind in kinds:
        row = rf"^\| `{kind.__name__}` \| {int(kind.code)} \|"
        assert re.search(row, pages["docs/reference/exit-codes.md"], re.M), kind.__name__


@pytest.mark.parametrize("template", sorted(TEMPLATES.glob("*.j2")), ids=lambda path: path.name)
def test_every_template_variable_is_documented(template: Path, pages: dict[str, str]) -> None:
    page = pages["docs/reference/template-variables.md"]
    section = re.search(rf"^## {re.escape(template.name)}\n(.*?)(?=^## |\Z)", page, re.M | re.S)
    assert section is not None
    for name in meta.find_undeclared_variables(Environment().parse(template.read_text())):
        assert f"`{name}`" in section[1]


def test_every_home_is_documented_with_its_paths(pages: dict[str, str]) -> None:
    rows = re.findall(r"^\| `(\w+)` \| .+? \| (\S+) \| (\S+) \|$", pages["docs/reference/homes.md"], re.M)
    assert rows == [(home.name, home.conf or "found", home.binary or "found") for home in HOMES.values()]


def test_every_field_of_a_result_is_documented(pages: dict[str, str]) -> None:
    plan = NodePlan("lb1", (Change("add", "/ws/"),), ())
    probe = ProbeResult(True, 101, None, "application", "live", None)
    outcomes = [
        NodeOutcome("lb1", plan, Applied(Committed(1), (("/ws/", probe),))),
        NodeOutcome("lb2", error=NginxwsError("no")),
    ]
    route = ListedRoute("/ws/", "^~", (), "managed", "a:80", "/n.conf", 1)
    revision = Revision(1, files=(RevisionFile("/n.conf", "", "", b"", b""),))
    now = Snapshot(
        "lb1", NginxInfo(conf="/n.conf"), (FileState("/n.conf", "/n.conf", b""),), pending=Pending("", "", 0)
    )
    standing = node_status(
        now, load("/n.conf", MappingReader(now.texts())), History((revision,), established={})
    )
    standing = replace(standing, drifted=(route,))
    idle = IdleResult(True, 60.0, 0, 0, "open", None)
    documents = (
        as_json(outcomes, ExitCode.ERROR),
        routes.as_json([routes.NodeRoutes("lb1", [route])], ExitCode.DONE),
        history.as_json([history.NodeHistory("lb1", [revision])], ExitCode.DONE, whole=True),
        status.as_json([status.Standing("lb1", standing)], ExitCode.DONE),
        recovery.as_json([recovery.recovered("lb1", Recovered(False))], ExitCode.DONE),
        recovery.as_json([recovery.unlocked("lb2", "")], ExitCode.DONE),
        url_probe.as_json(
            "ws://a/", UrlReport(probe, EchoResult(True, True, (), 0.0, ""), idle), ExitCode.DONE
        ),
    )
    of_it = _of_an_environment(outcomes, probe)
    fields = set().union(*map(_fields, (*documents, *of_it))) - {"lb1", "lb2", "chat"}
    assert len(fields) > 45
    for field in fields:
        assert f"`{field}`" in pages["docs/reference/json.md"], field


def _of_an_environment(nodes: list[NodeOutcome], probe: ProbeResult) -> tuple[dict[str, Any], ...]:
    app = WantedApp("chat", "h", 80, None, None, 3, None, None, 30, (), ())
    outcome = Outcome((AppOutcome("chat"),), tuple(nodes), (Proved("ws://h/", "/", probe),))
    urls = [Url("chat", "/", "ws://h/", None)]
    found = Standing("h", urls, [AppStanding(app)], [BalancerStanding(node) for node in nodes])
    return (
        environment.as_json(environment.Report("env up", outcome, "h", urls), ExitCode.DONE),
        env_status.as_json(found, ExitCode.DONE),
    )


def test_the_changelog_knows_this_version(pages: dict[str, str]) -> None:
    assert re.search(rf"^## \[?{re.escape(__version__)}\b", pages["CHANGELOG.md"], re.M)


def _fields(value: object) -> set[str]:
    if isinstance(value, dict):
        return set(value).union(*(_fields(inner) for inner in value.values()))
    if isinstance(value, list):
        return set().union(*(_fields(inner) for inner in value))
    return set()
