"""What is said between the client and the node script."""

from __future__ import annotations

import pytest
from support.backend import echo_backend
from support.nginx import NginxNode, wait_for
from support.talking import ShellTransport, Talk, missing, no_step

from nginxws.errors import NginxwsError, Restored
from nginxws.nodes import session as sessions
from nginxws.nodes import snapshot, transaction
from nginxws.nodes.script import script
from nginxws.nodes.session import Session
from nginxws.nodes.sudo import Sudo

pytestmark = [pytest.mark.nginx]


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
                monkeypatch.setattr(session, "_send", lambda _data: None)  # that was the word
                return "said something else"

            with pytest.raises(Restored):
                transaction.run(session, plan, talk.options, transaction.new_id(), no_step, cut)
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
