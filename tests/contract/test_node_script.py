"""the node script, request by request, under every shell that a node may have as its sh."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from support.backend import echo_backend
from support.nginx import NginxNode, main_conf, wait_for
from support.sshd import need

from nginxws.config.tree import RecordingReader, load
from nginxws.errors import LockedError, NginxwsError, NodeError, Restored, RestoreFailed, StaleError
from nginxws.nodes import session as sessions
from nginxws.nodes import snapshot, transaction
from nginxws.nodes.local import LocalProcess, LocalTransport
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.script import script
from nginxws.nodes.session import Session
from nginxws.nodes.sudo import Sudo
from nginxws.nodes.transaction import Committed
from nginxws.plan import NodePlan, Put
from nginxws.planner import make_plan
from nginxws.route import Route
from nginxws.snapshot import Snapshot

pytestmark = [pytest.mark.nginx]

SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "sh"]}
#: Latin-1, a blank and a dash in front: names and bytes that a shell may stumble over.
ODD_NAME = "-odd näme.conf"
ODD_BYTES = b"# caf\xe9 \xff \\ $HOME `id` %s\t\r\n"


class ShellTransport(LocalTransport):
    """This machine, with another program for ``sh``."""

    def __init__(self, shell: Sequence[str]) -> None:
        super().__init__()
        self._shell = shell

    def run(self, argv: Sequence[str]) -> LocalProcess:
        return super().run([*self._shell, *argv[1:]] if argv[0] == "sh" else argv)


class Talk:
    """One node and one shell: its requests."""

    def __init__(self, node: NginxNode, shell: Sequence[str]) -> None:
        self.node = node
        self.shell = shell
        self.options = NodeOptions(
            nginx_bin=node.binary,
            nginx_conf=str(node.conf),
            state_dir=str(node.state),
            who="tester@here",
            lock_timeout=10,
            confirm_timeout=10,
            reload_timeout=10,
        )

    @contextlib.contextmanager
    def session(self, text: bytes | None = None) -> Iterator[Session]:
        with ShellTransport(self.shell) as transport:
            yield Session(transport, Sudo(), text=text)

    def snapshot(self) -> Snapshot:
        with self.session() as session:
            return snapshot.take(session, self.options, missing)

    def plan(self, backend: str = "127.0.0.1:9") -> NodePlan:
        return make_plan(self.snapshot(), [Put(Route.create("/ws/", [backend]))])

    def transact(
        self,
        plan: NodePlan,
        decide: Callable[[], str | None] = lambda: None,
        *,
        text: bytes | None = None,
        on_step: Callable[[str, str], None] | None = None,
    ) -> Committed:
        with self.session(text) as session:
            on_step = on_step or _step
            return transaction.run(session, plan, self.options, transaction.new_id(), on_step, decide)

    def recover(self, *, accept: bool = False) -> transaction.Recovered:
        with self.session() as session:
            return transaction.recover(session, self.options, [], _step, accept=accept)

    def unlock(self, *, force: bool = False) -> str:
        with self.session() as session:
            return transaction.unlock(session, self.options, force=force)


def missing(now: Snapshot) -> list[str]:
    reader = RecordingReader(now.texts())
    load(now.nginx.conf, reader)
    return sorted(reader.wanted)


def _step(_name: str, _words: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> list[str]:
    words = SHELLS[request.param]
    need(words[0])
    return words


@pytest.fixture
def stopped(tmp_path: Path) -> NginxNode:
    return NginxNode(tmp_path / "node", need("nginx"))


@pytest.fixture
def node(stopped: NginxNode) -> Iterator[NginxNode]:
    with started(stopped):
        yield stopped


@pytest.fixture
def talk(node: NginxNode, shell: list[str]) -> Talk:
    return Talk(node, shell)


@pytest.fixture
def dash(node: NginxNode) -> Talk:
    """One shell will do where a test takes seconds, or asks nothing of the shell."""
    return Talk(node, [need("dash")])


@contextlib.contextmanager
def started(node: NginxNode) -> Iterator[NginxNode]:
    node.start()
    try:
        yield node
    finally:
        node.stop()


# --- snapshot ------------------------------------------------------------------------------------


def test_snapshot_is_byte_exact(node: NginxNode, shell: list[str]) -> None:
    odd = node.site.with_name(ODD_NAME)
    odd.write_bytes(ODD_BYTES)
    linked = node.prefix / "real.conf"
    linked.write_bytes(b"# no line end")
    node.site.with_name("link.conf").symlink_to(linked)
    now = Talk(node, shell).snapshot()
    found = {file.path: file for file in now.files}
    for file in (node.conf, node.site, odd):
        assert found[str(file)].data == file.read_bytes()
        assert found[str(file)].real == str(file)
    link = found[str(node.site.with_name("link.conf"))]
    assert (link.real, link.data) == (str(linked), b"# no line end")
    assert now.master == node.master
    assert dict(now.workers) == node.workers()
    assert now.test_failure is None
    assert now.pending is None
    assert f"127.0.0.1:{node.port}" in now.sockets or not shutil.which("ss")
    assert now.nginx.pid_file == str(node.pid_file)
    assert "--with-http_ssl_module" in now.nginx.dash_v


def test_snapshot_of_a_stopped_nginx_leaves_no_pid_file(stopped: NginxNode, shell: list[str]) -> None:
    """nginx -t makes an empty one, which can keep NGINX from starting."""
    now = Talk(stopped, shell).snapshot()
    assert now.master == 0
    assert not now.workers
    assert not stopped.pid_file.exists()


def test_snapshot_of_a_broken_configuration_follows_includes(node: NginxNode, shell: list[str]) -> None:
    node.site.with_name("broken.conf").write_text("nonsense on;\n")
    (node.prefix / "key.pem").write_text("Bag Attributes\n-----BEGIN PRIVATE KEY-----\nsecret\n")
    os.mkfifo(node.site.with_name("fifo.conf"))
    node.conf.write_text(main_conf(node.prefix, extra=f"    include {node.prefix}/*.pem;\n"))
    now = Talk(node, shell).snapshot()
    assert "[emerg]" in (now.test_failure or "")
    names = {Path(file.path).name for file in now.files}
    assert names == {"nginx.conf", "site.conf", "broken.conf"}
    assert not any(b"secret" in file.data for file in now.files)


def test_a_file_that_grows_while_it_is_read_is_stale(talk: Talk) -> None:
    """The frames stay in step, whatever cat delivers."""
    text = (
        script()
        .decode()
        .replace("  # A file that shrinks", '  echo more >>"$1"; : >"$2"\n  # A file that shrinks')
    )
    with talk.session(text.encode()) as session, pytest.raises(StaleError, match="while it was being read"):
        snapshot.take(session, talk.options, missing)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nginx_bin": "/nonexistent/nginx"}, "no nginx program"),
        ({"nginx_conf": "/nonexistent.conf"}, "no such file"),
    ],
)
def test_refusals_of_a_snapshot(talk: Talk, change: dict[str, str], message: str) -> None:
    talk.options = replace(talk.options, **change)  # type: ignore[arg-type]  # only text fields are changed
    with pytest.raises(NodeError, match=message) as caught:
        talk.snapshot()
    assert caught.value.hint


# --- transaction ---------------------------------------------------------------------------------


def test_commit_and_rollback(talk: Talk, node: NginxNode) -> None:
    old = node.digests()
    with pytest.raises(Restored):
        talk.transact(talk.plan(), lambda: "no")
    assert node.digests() == old
    assert node.lock_is_free()
    done = talk.transact(talk.plan())
    assert done.revision == 1
    assert done.workers == 2
    assert b"begin route /ws/" in node.site.read_bytes()
    assert node.lock_is_free()
    assert not list(node.prefix.rglob(".nginxws-*"))
    assert talk.recover() == transaction.Recovered(False, "", talk.recover().last_transaction, 1)


@pytest.mark.parametrize("kind", ["hard link", "bind mount", "symlink"])
def test_a_file_keeps_what_it_is(talk: Talk, node: NginxNode, kind: str) -> None:
    other = node.prefix / "other.conf"
    with contextlib.ExitStack() as stack:
        if kind == "hard link":
            os.link(node.site, other)
        elif kind == "symlink":
            node.site.rename(other)
            node.site.symlink_to(other)
        else:
            other.write_bytes(node.site.read_bytes())
            words = ["mount", "--bind", str(other), str(node.site)]
            if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
                pytest.skip("no mounts here")
            stack.callback(subprocess.run, ["umount", str(node.site)], check=True)
        old, inode = node.site.read_bytes(), other.stat().st_ino
        with pytest.raises(Restored):
            talk.transact(talk.plan(), lambda: "no")
        assert node.site.read_bytes() == other.read_bytes() == old
        talk.transact(talk.plan())
        assert node.site.read_bytes() == other.read_bytes() != old
        assert node.site.is_symlink() == (kind == "symlink")
        assert kind == "symlink" or other.stat().st_ino == inode


def test_mode_and_owner_are_kept(talk: Talk, node: NginxNode) -> None:
    node.site.chmod(0o640)
    if os.geteuid() == 0:
        os.chown(node.site, 0, 12)
    before = node.site.stat()
    talk.transact(talk.plan())
    after = node.site.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)


def test_a_stale_plan_of_a_large_configuration_is_refused(talk: Talk, node: NginxNode) -> None:
    """The refusal arrives although the script never reads the megabyte that came with the request."""
    node.site.with_name("large.conf").write_text("# filler\n" * 20)
    plan = talk.plan()
    big = replace(plan.files[0], after=plan.files[0].after + b"# filler\n" * 120_000)
    node.site.write_bytes(node.site.read_bytes() + b"# edited\n")
    with pytest.raises(StaleError, match=re.escape(str(node.site))):
        talk.transact(replace(plan, files=(big,)))


def test_nothing_runs_when_nginx_is_stopped(node: NginxNode, talk: Talk) -> None:
    plan = talk.plan()
    node.stop()
    with pytest.raises(NodeError, match="not running"):
        talk.transact(plan)


def test_revisions_are_pruned(talk: Talk, node: NginxNode) -> None:
    talk.options = replace(talk.options, keep=2)
    for port in range(1, 5):
        talk.transact(talk.plan(f"127.0.0.1:{port}"))
    assert [Path(one).name for one in node.revisions()] == ["3", "4"]


def test_a_reload_command_that_restarts_is_undone(talk: Talk, node: NginxNode) -> None:
    """The master must stay: a restart drops every open socket."""
    command = (
        f"kill -QUIT $(cat {node.pid_file}); while [ -s {node.pid_file} ]; do sleep 0.02; done; "
        f"{node.binary} -p {node.prefix} -c {node.conf}"
    )
    talk.options = replace(talk.options, reload_command=command)
    old = node.digests()
    with pytest.raises(NginxwsError, match="everything was restored") as caught:
        talk.transact(talk.plan())
    assert "restart" in (caught.value.detail or "")
    assert "NGINX's own" not in (caught.value.hint or "")
    assert node.digests() == old
    os.kill(node.master, 15)


def test_a_reload_command_without_end_is_ended(talk: Talk, node: NginxNode) -> None:
    need("timeout")
    old = node.digests()
    talk.options = replace(talk.options, reload_timeout=1, reload_command="sleep 100")
    with pytest.raises(Restored) as caught:
        talk.transact(talk.plan())
    assert "did not end within 1 s" in (caught.value.detail or "")
    assert node.digests() == old


def test_where_options_end_at_the_first_operand(
    talk: Talk, node: NginxNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """BSD's getopt does, and GNU's when a login profile sets this."""
    monkeypatch.setenv("POSIXLY_CORRECT", "1")
    old = node.digests()
    with pytest.raises(Restored):
        talk.transact(talk.plan(), lambda: "no")
    assert node.digests() == old
    assert talk.transact(talk.plan()).revision == 1
    assert not talk.recover().undone
    assert talk.unlock() == ""


@pytest.mark.parametrize("reason", ["bind mount", "hard link"])
def test_what_is_written_in_place_is_said(node: NginxNode, talk: Talk, reason: str) -> None:
    other = node.prefix / "other.conf"
    said: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        if reason == "hard link":
            os.link(node.site, other)
        else:
            other.write_bytes(node.site.read_bytes())
            bind(stack, other, node.site)
        done = talk.transact(talk.plan(), on_step=said.__setitem__)
    assert done.in_place == (f"{node.site} ({reason})",)
    assert said["activate"] == f"1, in place: {node.site} ({reason})"


def test_nothing_is_said_of_an_ordinary_file(dash: Talk) -> None:
    said: dict[str, str] = {}
    assert dash.transact(dash.plan(), on_step=said.__setitem__).in_place == ()
    assert said["activate"] == "1"


def test_a_read_only_mount_is_called_read_only(talk: Talk, node: NginxNode) -> None:
    plan = talk.plan()
    with contextlib.ExitStack() as stack, node.untouched():
        other = node.prefix / "other.conf"
        other.write_bytes(node.site.read_bytes())
        bind(stack, other, node.site)
        subprocess.run(["mount", "-o", "remount,bind,ro", str(node.site)], check=True)
        with pytest.raises(NodeError, match="nothing was changed") as caught:
            talk.transact(plan)
    assert "read-only" in (caught.value.detail or "")
    assert "permission denied" not in (caught.value.detail or "")


def bind(stack: contextlib.ExitStack, source: Path, target: Path) -> None:
    words = ["mount", "--bind", str(source), str(target)]
    if os.geteuid() != 0 or subprocess.run(words, check=False, capture_output=True).returncode:
        pytest.skip("no mounts here")
    stack.callback(subprocess.run, ["umount", str(target)], check=True)


# --- reload --------------------------------------------------------------------------------------


def test_a_taken_port_is_over_soon(dash: Talk, node: NginxNode) -> None:
    """The configuration before us can't be reloaded either: the way back must not wait for that."""
    with socket.create_server(("127.0.0.1", 0)) as rival:
        taken = f"    listen 127.0.0.1:{rival.getsockname()[1]};\n"
        node.site.write_text(node.site.read_text().replace("    server_name", f"{taken}    server_name"))
        dash.options = replace(dash.options, reload_timeout=30)
        plan, start = dash.plan(), time.monotonic()
        with node.untouched(), pytest.raises(Restored, match="did not take") as caught:
            dash.transact(plan)
    assert time.monotonic() - start < 12
    assert "bind()" in (caught.value.detail or "")
    assert "NGINX's own" in (caught.value.hint or "")
    assert caught.value.cause == "reload"


@pytest.mark.parametrize(
    ("command", "log", "detail", "hint"),
    [
        ("true", "", "no new worker processes", "logged nothing"),
        ("true", "stderr", "no new worker processes", "can't be read here: look at journalctl or syslog"),
        ("true", "/dev/null", "no new worker processes", "can't be read here"),
        ("echo today not; exit 3", "", "exit status 3: today not", "--reload-command"),
        ("exit 3", "", "failed with exit status 3", "--reload-command"),
    ],
)
def test_hints_of_a_failed_reload(tmp_path: Path, command: str, log: str, detail: str, hint: str) -> None:
    """Words are called NGINX's own only where they are."""
    prefix = tmp_path / "node"
    main = main_conf(prefix)
    node = NginxNode(
        prefix, need("nginx"), main=re.sub("error_log .*;", f"error_log {log};", main) if log else main
    )
    with started(node):
        talk = Talk(node, [need("dash")])
        talk.options = replace(talk.options, reload_timeout=1, reload_command=command)
        with pytest.raises(Restored) as caught:
            talk.transact(talk.plan())
    assert detail in (caught.value.detail or "")
    assert hint in (caught.value.hint or "")
    assert "NGINX's own" not in (caught.value.hint or "")
    assert caught.value.cause == "reload"


def test_a_reload_command_that_stops_nginx(talk: Talk, node: NginxNode) -> None:
    """The files are back and nothing is pending; what is left to do is no matter of the files."""
    talk.options = replace(
        talk.options,
        reload_command=f"kill -TERM {node.master}; while [ -s {node.pid_file} ]; do sleep 0.02; done",
    )
    old, plan = node.digests(), talk.plan()
    with pytest.raises(RestoreFailed, match="as they were, but NGINX is not running any more") as caught:
        talk.transact(plan)
    assert "start it" in (caught.value.hint or "")
    assert "recover" not in (caught.value.hint or "")
    assert node.digests() == old
    assert node.lock_is_free()
    found = talk.recover()
    assert not found.undone
    assert found.cause == "NGINX is not running"


def test_nginx_without_a_master_process(stopped: NginxNode, shell: list[str]) -> None:
    stopped.conf.write_text("master_process off;\n" + stopped.conf.read_text())
    words = [stopped.binary, "-p", str(stopped.prefix), "-c", str(stopped.conf), "-g", "daemon off;"]
    talk = Talk(stopped, shell)
    with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(
                lambda: stopped.pid_file.exists() and stopped.pid_file.read_text().strip(), "the pid file"
            )
            with pytest.raises(NodeError, match="without a master process") as caught:
                talk.transact(talk.plan())
            assert "without a master process" in talk.recover().cause
        finally:
            process.kill()
    assert "master_process" in (caught.value.hint or "")


class UserTransport(LocalTransport):
    """This machine, as a user that nobody knows; his programs stand in ``tools`` first."""

    def __init__(self, tools: Path) -> None:
        super().__init__()
        self._tools = tools

    def run(self, argv: Sequence[str]) -> LocalProcess:
        user = ["setpriv", "--reuid", "4242", "--regid", "4242", "--clear-groups"]
        return super().run([*user, "env", f"PATH={self._tools}:{os.environ['PATH']}", *argv])


def transact_as_user(node: NginxNode, sudo: str) -> tuple[NginxwsError, list[str]]:
    """The error, and the steps, of a user whose files these are, but not the master; ``sudo`` is a script."""
    tools = node.prefix / "tools"
    tools.mkdir()
    (tools / "sudo").write_text(f"#!/bin/sh\n{sudo}\n")
    (tools / "sudo").chmod(0o755)
    node.state.mkdir()
    for path in (node.state, node.conf.parent, *node.conf.parent.rglob("*")):
        os.chown(path, 4242, 4242)
    talk = Talk(node, [need("dash")])
    plan = replace(talk.plan(), test_refused=True)  # he may not open the logs, so his own test says nothing
    steps: list[str] = []
    with node.untouched(), UserTransport(tools) as user:
        session = Session(user, Sudo())
        with pytest.raises(NginxwsError) as caught:
            transaction.run(
                session, plan, talk.options, "tx", lambda name, _words: steps.append(name), lambda: None
            )
    return caught.value, steps


@pytest.fixture
def open_node() -> Iterator[NginxNode]:
    """Below a folder that every user may enter."""
    if os.geteuid() != 0:
        pytest.skip("only root can be another user")
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with started(NginxNode(Path(folder) / "node", need("nginx"))) as node:
            yield node


@pytest.mark.root
def test_who_can_not_reload_changes_nothing(open_node: NginxNode) -> None:
    error, steps = transact_as_user(open_node, "exit 1")
    assert isinstance(error, NodeError)
    assert "nothing was changed" in error.message
    assert "activate" not in steps
    assert "may not signal" in (error.detail or "")
    assert "--reload-command" in (error.hint or "")
    assert "--sudo" in (error.hint or "")


@pytest.mark.root
def test_who_may_reload_by_sudo_goes_ahead(open_node: NginxNode) -> None:
    """It is the listing that counts beforehand; that the command fails then is found out by trying."""
    error, steps = transact_as_user(open_node, '[ "$*" = "-n -l service nginx reload" ]')
    assert isinstance(error, Restored)
    assert "activate" in steps
    assert error.cause == "reload"
    assert "--reload-command" in (error.hint or "")


# --- lock, recover, unlock -----------------------------------------------------------------------


def test_the_lock_names_its_holder_and_lets_the_next_one_in(talk: Talk) -> None:
    plan, ready, go = talk.plan(), threading.Event(), threading.Event()

    def hold() -> str:
        ready.set()
        assert go.wait(20)
        return "enough"

    def first() -> None:
        with pytest.raises(Restored):
            talk.transact(plan, hold)

    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert ready.wait(20)
        rival = Talk(talk.node, talk.shell)
        rival.options = replace(talk.options, lock_timeout=0, who="rival")
        with pytest.raises(LockedError, match=r"tester@here, since \d{4}-\d\d-\d\d [\d:]+ UTC \(process \d+"):
            rival.transact(plan)
        with pytest.raises(LockedError):
            rival.unlock()
        assert rival.snapshot().pending is not None
    finally:
        go.set()
        thread.join(20)
    rival.options = replace(rival.options, lock_timeout=10)
    assert rival.transact(plan).revision == 1


def test_unlock_ends_a_live_holder_by_force(talk: Talk, node: NginxNode) -> None:
    old, ready, go = node.digests(), threading.Event(), threading.Event()
    errors: list[NginxwsError] = []

    def hold() -> None:
        ready.set()
        go.wait(20)

    def first() -> None:
        try:
            talk.transact(plan, hold)
        except NginxwsError as error:
            errors.append(error)

    plan = talk.plan()
    thread = threading.Thread(target=first)
    thread.start()
    try:
        assert ready.wait(20)
        assert "tester@here" in Talk(node, talk.shell).unlock(force=True)
        assert node.digests() == old
    finally:
        go.set()
        thread.join(20)
    assert [error.code for error in errors] == [4]
    assert Talk(node, talk.shell).unlock() == ""


def test_unlock_tells_of_what_a_dead_holder_left(talk: Talk, node: NginxNode) -> None:
    text = script().decode().replace("  step reload\n", "  step reload\n  kill -KILL $$\n", 1)
    old, plan = node.digests(), talk.plan()
    with pytest.raises(NginxwsError):
        talk.transact(plan, text=text.encode())
    freed = talk.unlock()
    assert "tester@here" in freed
    assert "`nginxws recover` undoes it" in freed
    assert talk.recover().undone
    assert node.digests() == old
    assert talk.unlock() == ""


def test_without_flock_a_dead_owner_is_found(talk: Talk, node: NginxNode) -> None:
    text = script().decode().replace("if have flock; then", "if false; then")
    assert text.count("if false; then") == 2
    now = text.encode()
    plan = talk.plan()
    with pytest.raises(Restored):
        talk.transact(plan, lambda: "no", text=now)
    (state,) = node.state.glob("*")
    (state / "locked").write_text("999999 never\n")
    assert talk.transact(plan, text=now).revision == 1
    assert not (state / "locked").exists()


# --- the conversation ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "noise", [b"echo Welcome; echo; printf 'no line end'", b"printf '@hello 5\\nfake\\n'"]
)
def test_what_a_profile_prints_is_skipped(talk: Talk, noise: bytes) -> None:
    with talk.session(noise + b"\n" + script()) as session:
        assert snapshot.take(session, talk.options, missing).master == talk.node.master


@pytest.mark.parametrize(
    ("profile", "message"),
    [("read x", "no answer"), ("cat >/dev/null", "no answer"), ("exit", "ended"), ("exit 3", "ended")],
)
def test_a_profile_that_reads_or_exits_is_suspected(
    talk: Talk, monkeypatch: pytest.MonkeyPatch, profile: str, message: str
) -> None:
    monkeypatch.setattr(sessions, "GREETING", 1.0)
    monkeypatch.setattr(sessions, "_BOOTSTRAP", f"{profile}; {sessions._BOOTSTRAP}")
    with pytest.raises(NginxwsError, match=message) as caught:
        talk.snapshot()
    assert "ssh NODE true </dev/null" in (caught.value.hint or "")


def test_an_unknown_word_ends_the_script(talk: Talk) -> None:
    with talk.session() as session:
        session.request("nonsense", [])
        with pytest.raises(NginxwsError, match="ended"):
            session.next_frame(5)


def test_a_word_without_line_end_is_no_word(
    talk: Talk, node: NginxNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection cut within ``commit`` must not commit, nor anything that only begins like it."""
    old = node.digests()
    for words in (b"commit", b"commitment\n", b"rollback\n"):
        plan = talk.plan()
        with ShellTransport(talk.shell) as transport:
            session = Session(transport, Sudo())

            def cut(session: Session = session, words: bytes = words) -> str:
                session._process.write(words)
                session._process.close_stdin()
                return "said something else"

            monkeypatch.setattr(session, "send_word", lambda _word: None)  # cut() has spoken
            with pytest.raises(Restored):
                transaction.run(session, plan, talk.options, transaction.new_id(), _step, cut)
        assert node.digests() == old
        assert node.lock_is_free()


def test_a_proved_route_serves(talk: Talk, node: NginxNode) -> None:
    from support.backend import open_socket

    with echo_backend() as backend:
        talk.transact(talk.plan(backend.address))
        with open_socket(node.port) as live:
            live.send("hello")
            assert live.recv(timeout=5) == "hello"


def test_temporary_files_of_a_dead_script_go_with_the_next_look(talk: Talk, node: NginxNode) -> None:
    text = script().decode().replace("  step checkpoint\n", "  step checkpoint\n  kill -KILL $$\n", 1)
    plan = talk.plan()
    with pytest.raises(NginxwsError):
        talk.transact(plan, text=text.encode())
    assert list(node.prefix.rglob(".nginxws-*"))
    wait_for(lambda: talk.snapshot() and not list(node.prefix.rglob(".nginxws-*")), "the sweep")
    assert node.lock_is_free()
