"""What goes wrong while the balancer is changed: it is as it was, or what isn't is said."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import pytest
from support.backend import Backend, echo_backend, echoes
from support.nginx import NginxNode
from support.platform_api import CREATE, EXEC, READ, WRITE, Form, PlatformApi

from nginxws.errors import (
    ConfigError,
    DriftError,
    Interrupted,
    NginxwsError,
    NodeError,
    Restored,
    RestoreFailed,
    RouteConflict,
    StaleError,
)
from nginxws.nodes.options import ProbePolicy
from nginxws.plan import Put
from nginxws.providers.jelastic import Archive, Environment, Settings, Wanted, bring_up, take_down
from nginxws.providers.jelastic import plan as outlook_of
from nginxws.providers.jelastic.balancer import renewed

pytestmark = pytest.mark.nginx
MakeWanted = Callable[..., Wanted]


@pytest.fixture
def closed() -> Iterator[Backend]:
    """An application that lets nobody in."""
    with echo_backend(HTTPStatus.FORBIDDEN) as made:
        yield made


@contextmanager
def as_it_was(platform: PlatformApi, reloads: bool = True) -> Iterator[None]:
    before = platform.brand.read_bytes()
    with platform.node.untouched(reloads=reloads):
        yield
    assert platform.brand.read_bytes() == before


def commands(platform: PlatformApi, word: str) -> int:
    return sum(word in form.get("commandList", "") for _path, form in platform.calls)


def test_a_proof_that_fails_puts_all_back(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, node: NginxNode, closed: Backend
) -> None:
    platform.made()
    bring_up(settings, wanted())
    with as_it_was(platform), pytest.raises(Restored, match=r"/ws/ does not prove itself.*403") as caught:
        bring_up(settings, wanted("/ws/", "/more/", port=closed.port))
    assert caught.value.hint
    assert echoes(node.port)
    assert commands(platform, "systemctl reload") == 3, "once for good, once and back"


def test_a_configuration_that_nginx_refuses_is_never_read(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, node: NginxNode
) -> None:
    platform.made()
    (node.prefix / "test-refuses").touch()
    with as_it_was(platform, reloads=False), pytest.raises(Restored, match="test refuses") as caught:
        bring_up(settings, wanted())
    assert "own module" in (caught.value.detail or "")
    assert commands(platform, "systemctl reload") == 0


def test_where_the_test_cannot_be_had_the_new_workers_are_it(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, node: NginxNode
) -> None:
    platform.made()
    program = node.prefix / "bin" / "nginx"
    program.write_text(program.read_text().replace("exec ", '[ "$1" != -t ] || exit 1\nexec '))
    result = bring_up(settings, wanted())
    assert "NGINX's own test isn't possible" in result.notes[0]
    assert echoes(node.port)


def test_a_reload_that_lies_is_found_out(
    platform: PlatformApi, quick: Settings, wanted: MakeWanted, node: NginxNode
) -> None:
    platform.made()
    (node.prefix / "reload-lies").touch()
    settled = replace(quick, patience=replace(quick.patience, call=10))
    with as_it_was(platform, reloads=False), pytest.raises(Restored, match=r"no new workers within 0\.4 s"):
        bring_up(settled, wanted())


def test_a_reload_that_is_not_permitted_is_told_with_the_way_out(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, node: NginxNode
) -> None:
    platform.made()
    sudo = node.prefix / "bin" / "sudo"
    sudo.write_text(sudo.read_text().replace("systemctl reload nginx", "nothing"))
    with as_it_was(platform, reloads=False), pytest.raises(Restored, match="no command reloads") as caught:
        bring_up(settings, wanted())
    assert "a password is required" in (caught.value.detail or "")
    assert 'reload = "restart"' in (caught.value.hint or "")


def test_half_a_file_is_found_and_put_back(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted
) -> None:
    platform.made()
    platform.faults["half-written"] = ["yes"]
    with as_it_was(platform, reloads=False), pytest.raises(Restored, match="didn't write the file as it was"):
        bring_up(settings, wanted())
    assert commands(platform, "systemctl reload") == 0


def test_somebody_else_writes_between_plan_and_change(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted
) -> None:
    platform.made()
    hand = b"# by hand\n"

    def edit(form: Form) -> None:
        if "{ ps " in form["commandList"] and hand not in platform.brand.read_bytes():
            platform.brand.write_bytes(platform.brand.read_bytes() + hand)

    platform.hooks[EXEC] = edit
    with pytest.raises(StaleError):
        bring_up(settings, wanted())
    assert platform.count(WRITE) == 0
    assert platform.brand.read_bytes().endswith(hand)


def test_somebody_elses_edit_is_not_overwritten_by_the_way_back(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, closed: Backend
) -> None:
    platform.made()
    hand = b"# by hand\n"

    def edit(step: str, _words: str) -> None:
        if step == "probe":
            platform.brand.write_bytes(platform.brand.read_bytes() + hand)

    with pytest.raises(RestoreFailed, match="somebody else wrote the file"):
        bring_up(settings, wanted(port=closed.port), on_step=edit)
    assert platform.brand.read_bytes().endswith(hand)
    platform.brand.write_bytes(platform.brand.read_bytes().removesuffix(hand))
    take_down(settings, wanted())


@pytest.mark.parametrize("fault", ["refuse!", "reset-before!", "not-json!"])
def test_a_platform_that_fails_for_good_needs_a_human(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, closed: Backend, fault: str
) -> None:
    platform.made()

    def broken(step: str, _words: str) -> None:
        if step == "probe":
            platform.faults[WRITE] = [fault]

    with pytest.raises(RestoreFailed, match=r"the change failed .*403.*, and so did its restore") as caught:
        bring_up(settings, wanted(port=closed.port), on_step=broken)
    assert "marker lines" in (caught.value.hint or "")


@pytest.mark.parametrize("fault", ["reset-before", "reset-after"])
def test_a_reload_without_an_answer_is_looked_up(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, node: NginxNode, fault: str
) -> None:
    platform.made()

    def broken(step: str, _words: str) -> None:
        if step == "reload":
            platform.faults[EXEC] = [fault]

    assert bring_up(settings, wanted(), on_step=broken).reloaded == "reload"
    assert commands(platform, "systemctl reload") in ((2,) if fault == "reset-before" else (1, 2))
    assert echoes(node.port)


def test_a_restart_without_an_answer_is_not_repeated(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, node: NginxNode
) -> None:
    platform.made()
    path = "environment/control/rest/restartnodesbygroup"
    platform.faults[path] = ["reset-after"]
    bring_up(replace(settings, reload="restart"), wanted())
    assert platform.count(path) == 1
    assert echoes(node.port)


@pytest.mark.parametrize("step", ["write", "reload", "probe"])
def test_interrupted_is_as_it_was(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, step: str
) -> None:
    platform.made()

    def stop(now: str, _words: str) -> None:
        if now == step:
            raise KeyboardInterrupt

    with as_it_was(platform), pytest.raises(Interrupted):
        bring_up(settings, wanted(), on_step=stop)


def test_no_worker_to_be_seen_changes_nothing(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, node: NginxNode
) -> None:
    platform.made()
    (node.prefix / "no-workers").touch()
    with as_it_was(platform, reloads=False), pytest.raises(NodeError, match="no NGINX worker"):
        bring_up(settings, wanted())
    assert platform.changing() == []


def test_a_route_that_stands_and_fails_is_told_and_nothing_reloaded(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted
) -> None:
    platform.made()
    with echo_backend() as gone:
        bring_up(settings, wanted(port=gone.port))
    platform.calls.clear()
    soon = replace(wanted(port=gone.port), policies=ProbePolicy(timeout=0.2))
    with as_it_was(platform, reloads=False), pytest.raises(NodeError, match="/ws/ does not prove itself"):
        bring_up(settings, soon)
    assert platform.changing() == []


@pytest.mark.parametrize(
    ("old", "new", "error"),
    [
        (b"proxy_read_timeout 1h", b"proxy_read_timeout 2h", DriftError),
        (b"# nginxws: ", b"# mine: ", ConfigError),
    ],
)
def test_what_hands_wrote_is_left(
    platform: PlatformApi,
    settings: Settings,
    wanted: MakeWanted,
    old: bytes,
    new: bytes,
    error: type[NginxwsError],
) -> None:
    platform.made()
    bring_up(settings, wanted())
    platform.brand.write_bytes(platform.brand.read_bytes().replace(old, new))
    with as_it_was(platform, reloads=False), pytest.raises(error):
        bring_up(settings, wanted("/ws/", "/more/"))


def test_a_location_of_somebody_elses_is_left(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted
) -> None:
    platform.made()
    text = platform.brand.read_text()
    theirs = "location ^~ /ws/ { return 204; }\n                location / {"
    platform.brand.write_text(text.replace("location / {", theirs))
    with as_it_was(platform, reloads=False), pytest.raises(RouteConflict, match="/ws/"):
        bring_up(settings, wanted())


def test_bytes_that_are_no_text_are_left_to_ssh(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted
) -> None:
    platform.made()
    platform.brand.write_bytes(platform.brand.read_bytes().replace("café".encode(), b"caf\xe9"))
    with as_it_was(platform, reloads=False), pytest.raises(NodeError, match="isn't UTF-8") as caught:
        bring_up(settings, wanted())
    assert caught.value.file == str(platform.brand)
    assert platform.changing() == []


def test_an_environment_that_never_runs(platform: PlatformApi, quick: Settings, wanted: MakeWanted) -> None:
    settings = replace(quick, patience=replace(quick.patience, call=10, work=10))
    platform.statuses = [6] * 1000
    with pytest.raises(NodeError, match=r"being created after 0\.4 s.*was created, and stays"):
        bring_up(settings, wanted())
    assert platform.changing() == [CREATE]


@pytest.mark.parametrize(("status", "word"), [(2, "stopped"), (4, "sleeping"), (5, "suspended")])
def test_an_environment_that_rests_is_not_woken(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, status: int, word: str
) -> None:
    platform.made()
    platform.statuses = [status] * 9
    with pytest.raises(NodeError, match=word):
        bring_up(settings, wanted())
    assert platform.changing() == []


def test_a_node_without_workers_is_not_renewed() -> None:
    one, other = frozenset({1}), frozenset({2})
    assert renewed((one,), (other,))
    assert not renewed((one,), (one | other,))
    assert not renewed((one, one), (other, frozenset()))
    assert not renewed((one, one), (other,))


def test_a_file_that_cannot_be_read_is_an_error(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted
) -> None:
    platform.made()
    platform.faults[READ] = ["refuse"]
    with pytest.raises(NodeError, match="result 99"):
        bring_up(settings, wanted())
    assert platform.changing() == []


def test_an_error_of_our_own_block_is_never_sent(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, tmp_path: Path
) -> None:
    platform.made()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "location.conf.j2").write_text("location ^~ /ws/ {\n    listen 80;\n}\n")
    routes = wanted().routes

    def broken(environment: Environment) -> list[Put]:
        assert routes is not None
        return [replace(put, templates=tmp_path / "mine") for put in routes(environment)]

    with as_it_was(platform, reloads=False), pytest.raises(ConfigError, match="bring in an error"):
        bring_up(settings, replace(wanted(), routes=broken))
    assert platform.count(WRITE) == 0


def test_nothing_to_take_down(platform: PlatformApi, settings: Settings, wanted: MakeWanted) -> None:
    result = take_down(settings, wanted())
    assert (result.changed, result.notes) == (False, ("there is no such environment",))


def test_a_plan_of_what_does_not_run_yet(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted
) -> None:
    platform.made()
    platform.statuses = [3]
    assert outlook_of(settings, wanted()).balancer is None
    assert platform.changing() == []


def test_a_deployment_that_cannot_be_noted_is_told(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, node: NginxNode
) -> None:
    platform.made()
    (node.prefix / "home-cp" / ".nginxws-deployed").mkdir()
    with pytest.raises(NodeError, match="can't be noted"):
        bring_up(replace(settings, archive=Archive("https://files.example/chat.zip")), wanted())


def test_a_proof_by_another_address(
    platform: PlatformApi, settings: Settings, wanted: MakeWanted, node: NginxNode
) -> None:
    platform.made()
    policy = ProbePolicy(url=f"ws://127.0.0.1:{node.port}/ws/here", host="chat.example.com")
    result = bring_up(settings, replace(wanted(), policies=policy, connect="127.0.0.1:9"))
    assert [proof.ok for _route, proof in result.proofs] == [True]
