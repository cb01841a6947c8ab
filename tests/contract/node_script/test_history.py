"""What the node keeps of each change, and hands out again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support.backend import echo_backend, open_socket
from support.nginx import NginxNode
from support.talking import Talk

from nginxws.errors import NginxwsError, NodeError, ProtocolError
from nginxws.nodes import history, limits
from nginxws.nodes.script import script
from nginxws.revision import History, Kind, Revision

pytestmark = [pytest.mark.nginx]


def read(talk: Talk, text: bytes | None = None) -> History:
    with talk.session(text) as session:
        return history.read(session, talk.options)


def shown(talk: Talk, number: int) -> Revision:
    with talk.session() as session:
        found = history.read(session, talk.options).revision(number)
        return history.with_bytes(session, talk.options, [found])[0]


def store(node: NginxNode) -> Path:
    (found,) = node.state.glob("*/revisions")
    return found


def test_nothing_was_applied_yet(talk: Talk) -> None:
    found = read(talk)
    assert (found.revisions, found.newest) == ((), None)
    assert (found.serving, found.draining, found.generations) == (2, 0, 0)
    assert not talk.node.state.exists()


def test_each_change_is_told_and_its_bytes_come_back(talk: Talk) -> None:
    node = talk.node
    texts = [node.site.read_bytes()]
    kinds: tuple[Kind, ...] = ("apply", "rollback")
    for number, kind in enumerate(kinds, start=1):
        talk.options = replace(
            talk.options, message=f"why {number}: caf\xe9", digest=f"{number}" * 64, kind=kind
        )
        talk.transact(talk.plan(f"127.0.0.1:{number}"))
        texts.append(node.site.read_bytes())
    found = read(talk)
    assert [(one.number, one.kind, one.digest[:1]) for one in found.revisions] == [
        (1, "apply", "1"),
        (2, "rollback", "2"),
    ]
    newest = found.revisions[-1]
    assert (newest.who, newest.message) == ("tester@here", "why 2: caf\xe9")
    assert len(newest.transaction) == 16
    assert newest.since > 1_700_000_000
    for number in (1, 2):
        (file,) = shown(talk, number).files
        assert (file.path, file.old, file.new) == (str(node.site), texts[number - 1], texts[number])


def test_only_the_files_that_are_wanted_are_sent(dash: Talk) -> None:
    dash.transact(dash.plan())
    with dash.session() as session:
        (one,) = history.read(session, dash.options).revisions
        assert history.with_bytes(session, dash.options, [one], {}) == (one,)
        (whole,) = history.with_bytes(session, dash.options, [one], {1: {str(dash.node.site)}})
    assert whole.files[0].new == dash.node.site.read_bytes()


def test_no_more_is_taken_than_the_limit(dash: Talk, monkeypatch: pytest.MonkeyPatch) -> None:
    dash.transact(dash.plan())
    stored = sum(path.stat().st_size for path in store(dash.node).glob("1/1.*"))
    monkeypatch.setattr(limits, "STORED", stored)
    assert shown(dash, 1).files[0].old
    monkeypatch.setattr(limits, "STORED", stored - 1)
    with pytest.raises(NodeError, match="the stored files are larger than"):
        shown(dash, 1)


def test_revisions_of_earlier_releases(talk: Talk) -> None:
    """They have neither a digest nor a kind; numbers are told in their order, and nothing else is."""
    talk.transact(talk.plan())
    first = store(talk.node) / "1"
    meta = (first / "meta").read_text()
    old = "".join(line for line in meta.splitlines(True) if not line.startswith(("digest", "kind")))
    for number in (2, 10, 9):
        (first.parent / str(number)).mkdir()
        (first.parent / str(number) / "meta").write_text(old)
    (first.parent / "12").mkdir()  # pruned just now: no meta
    (first.parent / "left").mkdir()
    found = read(talk)
    assert [one.number for one in found.revisions] == [1, 2, 9, 10]
    assert {(one.digest, one.kind) for one in found.revisions} == {("", "apply")}


def test_only_the_newest_are_kept(dash: Talk) -> None:
    dash.options = replace(dash.options, keep=2)
    for number in range(1, 5):
        dash.transact(dash.plan(f"127.0.0.1:{number}"))
    assert [one.number for one in read(dash).revisions] == [3, 4]
    assert [path.name for path in sorted(store(dash.node).iterdir())] == ["3", "4"]


@pytest.mark.parametrize(
    ("revision", "nth"),
    [("2", "1"), ("1", "2"), ("1", ""), ("", ""), ("x", "1"), ("1/../1", "1"), ("1", "../1/1")],
)
def test_what_is_not_kept_is_refused(talk: Talk, revision: str, nth: str) -> None:
    talk.transact(talk.plan())
    with talk.session() as session:
        session.request("show", [*talk.options.parameters(), ("revision", revision), ("nth", nth)])
        done = session.frames(lambda frame: pytest.fail(f"a {frame.kind} frame"))
        assert (done.outcome, done.code) == ("refused", "no-revision")
        # The conversation goes on.
        assert history.read(session, talk.options).revisions


@pytest.mark.parametrize("name", ["1.before", "1.after"])
@pytest.mark.parametrize("damage", ["other", "longer", "empty"])
def test_a_stored_file_that_was_damaged(dash: Talk, name: str, damage: str) -> None:
    dash.transact(dash.plan())
    stored = store(dash.node) / "1" / name
    data = stored.read_bytes()
    stored.write_bytes({"other": data[:-1] + b"!", "longer": data + b"x", "empty": b""}[damage])
    with pytest.raises(NodeError, match=r"the copy of \S+ in revision 1 is damaged"):
        shown(dash, 1)
    stored.unlink()
    with pytest.raises(NginxwsError, match="there is no revision 1"):
        shown(dash, 1)


def test_a_store_that_others_may_write_is_not_believed(dash: Talk) -> None:
    dash.transact(dash.plan())
    (state,) = dash.node.state.iterdir()
    state.chmod(0o777)
    with pytest.raises(NodeError, match="others than you"):
        read(dash)


@pytest.mark.parametrize(
    "said",
    [
        "emit revisions 'revision 0'",
        "emit revisions 'revision x'",
        'emit revisions "revision 2${NL}revision 1"',
        'emit revisions "revision 1${NL}file rename 0 0 /x"',
        'emit revisions ""; emit workers ""',
        'emit workers ""; emit established ""; emit revisions ""',
        "emit before x",
    ],
)
def test_nonsense(dash: Talk, said: str) -> None:
    lie = f"\ndo_history() {{ locate; {said}; emit_done ok history ''; }}\n"
    with pytest.raises(ProtocolError):
        read(dash, _before_requests(lie))


def _before_requests(text: str) -> bytes:
    head, mark, tail = script().partition(b"# --- requests ")
    return head + text.encode() + mark + tail


def test_processes_and_sockets(talk: Talk) -> None:
    """A socket that is open keeps its worker, and is counted on its port."""
    node = talk.node
    with echo_backend() as backend:
        talk.transact(talk.plan(backend.address))
        with open_socket(node.port):
            talk.transact(talk.plan("127.0.0.1:9"))
            found = read(talk)
    assert (found.serving, found.draining, found.generations) == (2, 1, 1)
    assert found.established is not None
    assert found.established[node.port] == 1
    hidden = read(talk, _before_requests('\nhave() { [ "$1" != ss ] && command -v "$1" >/dev/null; }\n'))
    assert hidden.established is None
