"""NGINX on balancers that have none: when that is an error, and what becomes of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from nginxws.cli.desired import Desired, Seen
from nginxws.cli.env.installing import Installing
from nginxws.cli.env.nodes import Environment
from nginxws.deploy import NodeOutcome
from nginxws.errors import NginxMissing, NodeError
from nginxws.nodes.provision import install
from nginxws.nodes.provision.install import Installed, Site
from nginxws.plan import NodePlan
from nginxws.provisioning.types import Outcome
from nginxws.report.progress import Progress
from nginxws.snapshot import FileState, NginxInfo, Snapshot

SITE = Site("chat.example.com", 80)


@dataclass
class World:
    """What the node is asked for."""

    log: list[str] = field(default_factory=list)
    fails: str = ""

    def ask(self, what: str) -> None:
        self.log.append(what)
        if what == self.fails:
            raise NodeError(f"cannot {what}", hint="look")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()

    def installs(_session: object, manager: str, _on_step: object) -> Installed:
        made.ask(f"install {manager}")
        return Installed("apt", "nginx/1.22.1")

    monkeypatch.setattr(install, "install", installs)
    monkeypatch.setattr(install, "add_site", lambda *_: made.ask("add site"))
    monkeypatch.setattr(install, "drop_site", lambda *_: made.ask("drop site"))
    return made


def installing(manager: str | None, own: str | None = None, *, tls: bool = False) -> Installing:
    nodes = {"lb1": SimpleNamespace(install=own)}
    environment = SimpleNamespace(
        manifest=SimpleNamespace(nodes=nodes),
        entry=SimpleNamespace(tls=tls),
        site=SITE,
        install_link=lambda *_: _Link(),
    )
    return Installing(cast("Environment", environment), manager)


class _Link:
    name = "lb1"

    def session(self) -> None:
        pass

    def __enter__(self) -> _Link:
        return self

    def __exit__(self, *_: object) -> None:
        pass


def seen(error: NodeError | None = None, now: Snapshot | None = None) -> Seen:
    plan = None if error is not None else NodePlan("lb1", (), ())
    return Seen(cast("Any", _Link()), NodeOutcome("lb1", plan, error=error), now)


MISSING = NginxMissing("no nginx", node="lb1", hint="--nginx-bin")


def test_without_asking_for_it_it_is_an_error() -> None:
    one = installing(None).judged(seen(NginxMissing("no nginx", hint="--nginx-bin")))
    assert one.outcome.error is not None
    assert str(one.outcome.error.hint).startswith("--install installs one")


def test_with_tls_nothing_is_installed() -> None:
    """A server block of plain HTTP would be no answer, and at TLS's port a wrong one."""
    made = installing("auto", tls=True)
    error = made.judged(seen(NginxMissing("no nginx"))).outcome.error
    assert error is not None
    assert "TLS needs a certificate" in error.message
    assert "tls = false" in str(error.hint)
    assert not made.wanted
    assert made.judged(seen()).outcome.error is None, "an NGINX that is there may have one"
    assert made.judged(seen(NginxMissing("no nginx")), down=True).outcome.error is None


@pytest.mark.parametrize(("manager", "own", "meant"), [("dnf", "apt", "dnf"), (None, "apt", "apt")])
def test_who_says_so(manager: str | None, own: str | None, meant: str) -> None:
    made = installing(manager, own)
    assert made.judged(seen(MISSING)).outcome.error is None
    assert made.wanted == {"lb1": meant}


def test_other_troubles_stay() -> None:
    assert installing("apt").judged(seen(NodeError("no"))).outcome.error is not None


def test_on_the_way_down_nothing_is_there_to_take_out() -> None:
    made = installing(None)
    assert made.judged(seen(MISSING), down=True).outcome.error is None
    assert made.wanted == {}


class _Desired:
    def see(self, *_: object, **__: object) -> list[Seen]:
        return [seen()]


def run(made: Installing, one: Seen) -> Seen:
    return made.run(one, cast("Desired", _Desired()), cast("Any", None), Progress(verbose=False, quiet=True))


def settled(made: Installing, outcome: Outcome) -> Outcome:
    return made.settled(outcome, cast("Any", None), Progress(verbose=False, quiet=True))


def test_it_is_installed_and_planned_for(world: World) -> None:
    made = installing("auto")
    one = run(made, made.judged(seen(MISSING)))
    assert one.outcome.plan is not None
    assert world.log == ["install auto", "add site"]
    assert settled(made, Outcome()).installed == (("lb1", "apt"),)
    assert run(installing("auto"), seen()).outcome.plan is not None, "nothing was wanted there"


def test_it_stays_when_something_fails_later(world: World, capfd: pytest.CaptureFixture[str]) -> None:
    made = installing("auto")
    run(made, made.judged(seen(MISSING)))
    outcome = settled(made, Outcome(error=NodeError("no")))
    assert (outcome.installed, world.log[-1]) == ((("lb1", "apt"),), "add site")
    assert "lb1: NGINX was installed, and stays" in capfd.readouterr().err


def test_an_install_that_fails(world: World) -> None:
    world.fails = "install auto"
    made = installing("auto")
    one = run(made, made.judged(seen(MISSING)))
    assert str(one.outcome.error) == "lb1: cannot install auto"


def test_a_server_block_that_fails_after_the_installation(world: World) -> None:
    """The next run finds an NGINX, and writes none: that is to be known."""
    world.fails = "add site"
    made = installing("auto")
    error = run(made, made.judged(seen(MISSING))).outcome.error
    assert error is not None
    assert str(error) == "lb1: cannot add site; NGINX was installed by apt, and stays"
    assert error.hint == "look; then write a server block for chat.example.com, port 80, by hand"


def test_its_server_block_goes_on_the_way_down(world: World) -> None:
    file = FileState("/etc/nginx/conf.d/nginxws-site.conf", "/x", b"")
    now = Snapshot("lb1", NginxInfo(conf="/n.conf"), (file,))
    made = installing(None)
    one = made.judged(seen(now=now), down=True)
    assert made.leaving == ["lb1"]
    outcome = settled(made, Outcome(nodes=(one.outcome,)))
    assert (outcome.sites_removed, outcome.changed) == (("lb1",), True)
    world.fails = "drop site"
    (node,) = settled(made, Outcome(nodes=(one.outcome,))).nodes
    assert str(node.error) == "lb1: cannot drop site"
