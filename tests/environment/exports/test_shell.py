"""The shell export on a real node: dash and busybox, twice, refused, edited by hand."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from support.backend import echoes
from support.exporting import World, blocks_of, run_script
from support.sshd import need

from nginxws.cli import run

pytestmark = pytest.mark.nginx
SHELLS = ("dash", "busybox sh", "bash")


@pytest.mark.parametrize("shell", SHELLS)
def test_first_run_brings_it_up_and_the_second_changes_nothing(world: World, shell: str) -> None:
    script = world.export("shell")
    before = world.node.site.read_bytes()
    code, said = run_script(script, world.folder, "apply", "chat", shell=shell)
    assert (code, world.restarts) == (0, ["again"]), said
    assert (
        f"ws://chat.example.com:{world.node.port}/ws/"
        in (world.target / "current/public/chat.js").read_text()
    )
    assert (world.target / "current/run.sh").stat().st_mode & 0o777 == 0o755
    code, said = run_script(script, world.folder, "lb1", shell=shell)
    assert code == 0, said
    assert "proved" in said
    assert echoes(world.node.port)
    assert blocks_of(world.node.site.read_text()) == ["map websocket", "route /ws/"]
    assert (world.node.site.parent / ".site.conf.nginxws.old").read_bytes() == before

    digests, workers = world.node.digests(), set(world.node.workers())
    for name in ("lb1", "chat"):
        code, said = run_script(script, world.folder, name, shell=shell)
        assert code == 0, said
        assert "nothing to change" in said
    assert world.node.digests() == digests
    assert set(world.node.workers()) == workers
    assert world.restarts == ["again"]


def test_nginxws_knows_the_blocks_later(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    code, said = run_script(world.export("shell"), world.folder, "lb1")
    assert code == 0, said
    assert run(["list-routes", "--no-manifest", "--node", "local", *world.node.options()]) == 0
    listed = capsys.readouterr().out
    assert "/ws/" in listed
    assert "drift" not in listed.lower()
    manifest = world.folder / "nginxws.toml"
    manifest.write_text(world.manifest())
    with world.node.untouched():
        assert (
            run(
                [
                    "plan",
                    "--manifest",
                    str(manifest),
                    "--detailed-exitcode",
                    "--state-dir",
                    str(world.node.state),
                ]
            )
            == 0
        )
    # And takes them out to the byte.
    old = (world.node.site.parent / ".site.conf.nginxws.old").read_bytes()
    assert (
        run(["remove-route", "/ws/", "--no-manifest", "--node", "local", "--yes", *world.node.options()]) == 0
    )
    assert world.node.site.read_bytes() == old


def test_check_touches_nothing(world: World) -> None:
    with world.node.untouched():
        for name in ("lb1", "chat"):
            code, said = run_script(world.export("shell"), world.folder, "check", name)
            assert code == 0, said
            assert "would change" in said
    assert not world.target.exists()


def test_what_nginx_refuses_is_put_back(world: World) -> None:
    world.node.site.write_text(
        world.node.site.read_text().replace(
            "    location / {", "    location /ws/ { return 404; }\n    location / {"
        )
    )
    with world.node.untouched():
        code, said = run_script(world.export("shell"), world.folder, "lb1")
    assert code == 1
    assert "duplicate location" in said
    assert "everything is as it was" in said


def test_without_proof_the_old_configuration_serves_again(world: World) -> None:
    text = world.manifest(route="probe_expect = 204\n")
    with world.node.untouched(reloads=True):
        script = world.export("shell", text).replace("prove_tries=50", "prove_tries=2")
        code, said = run_script(script, world.folder, "lb1")
    assert (code, "HTTP/1.1 101" in said) == (1, True), said


def test_a_hand_edit_stops_it(world: World) -> None:
    script = world.export("shell")
    assert run_script(script, world.folder, "lb1")[0] == 0
    site = world.node.site
    site.write_text(site.read_text().replace("proxy_read_timeout 1h", "proxy_read_timeout 2h"))
    with world.node.untouched():
        code, said = run_script(script, world.folder, "lb1")
    assert (code, "edited by hand" in said) == (1, True), said
    code, said = run_script(
        world.export("shell", world.manifest(route='read_timeout = "3h"\n')),
        world.folder, "lb1", OVERWRITE_DRIFT="yes",
    )  # fmt: skip
    assert code == 0, said
    assert "proxy_read_timeout 3h" in site.read_text()


def test_an_application_that_does_not_come_up_is_put_back(world: World) -> None:
    script = world.export("shell")
    assert run_script(script, world.folder, "chat")[0] == 0
    current = (world.target / "current").readlink()
    text = world.manifest(app='ready_timeout = "1s"\nkeep = 1\n').replace(
        f"port = {world.backend.port}", "port = 1"
    )
    script = world.export("shell", text.replace("wsUri", "const wsUri"))
    code, said = run_script(script.replace("'echo again", "'echo tried"), world.folder, "chat")
    assert code == 0, said  # the same release: nothing to restart
    text = text.replace(f":{world.node.port}", "")
    code, said = run_script(world.export("shell", text), world.folder, "chat")
    assert (code, "nobody listens" in said) == (1, True), said
    assert (world.target / "current").readlink() == current


def test_a_link_that_a_run_has_left_which_was_cut_off(world: World) -> None:
    script = world.export("shell")
    assert run_script(script, world.folder, "chat")[0] == 0
    (world.target / ".current.new").symlink_to((world.target / "current").readlink())
    text = world.manifest().replace(f":{world.node.port}", "")
    code, said = run_script(world.export("shell", text), world.folder, "chat")
    assert code == 0, said
    page = (world.target / "current/public/chat.js").read_text()
    assert "ws://chat.example.com/ws/" in page


def test_a_placeholder_on_the_node(world: World) -> None:
    page = world.folder / "settings.ini"
    page.write_bytes(b"\xe9 latin\nurl = @@WS@@\nno newline at the end")
    extra = f'[[apps.chat.websocket]]\nfile = "{page}"\nplaceholder = "@@WS@@"\n'
    script = world.export("shell", world.manifest().replace("[[routes]]", f"{extra}[[routes]]"))
    for _ in range(2):
        code, said = run_script(script, world.folder, "chat")
        assert code == 0, said
    address = f"ws://chat.example.com:{world.node.port}/ws/".encode()
    assert page.read_bytes() == b"\xe9 latin\nurl = " + address + b"\nno newline at the end"
    assert len(world.restarts) == 1


def test_a_site_is_written_where_there_is_none(world: World) -> None:
    world.node.stop()
    world.node.site.unlink()
    world.node.start()
    text = world.manifest().replace(
        'server = "chat.example.com"', f'server = "chat.example.com:{world.node.port}"\ninstall = "apt"'
    )
    code, said = run_script(world.export("shell", text), world.folder, "lb1")
    assert code == 0, said
    assert echoes(world.node.port)
    assert "nothing to change" in run_script(world.export("shell", text), world.folder, "lb1")[1]


def test_an_interrupted_run_leaves_nothing(world: World) -> None:
    """SIGTERM while it waits for the proof: all is as before, and reloaded so."""
    text = world.manifest(route="probe_expect = 204\n")
    script = world.folder / "environment.sh"
    script.write_text(world.export("shell", text))
    files = world.node.digests()
    process = subprocess.Popen(
        ["dash", str(script), "lb1"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    from support.nginx import wait_for

    wait_for(lambda: blocks_of(world.node.site.read_text()), "the block")
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 143
    now = world.node.digests()
    assert {key: now[key] for key in files} == files


def test_shellcheck_and_syntax(world: World, tmp_path: Path) -> None:
    file = tmp_path / "environment.sh"
    file.write_text(world.export("shell"))
    subprocess.run([need("shellcheck"), str(file)], check=True)
    for shell in SHELLS:
        subprocess.run([*shell.split(), "-n", str(file)], check=True)
