"""Plans for applications: what changes, and nothing once it is done."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.environment import unpacking
from nginxws.environment.archive import Entry, digest, entries_of, pack
from nginxws.environment.plan import (
    AppPlan,
    AppSnapshot,
    FileEdit,
    FileState,
    Release,
    make_app_plan,
    make_down_plan,
)
from nginxws.environment.wanted import WantedApp, WantedFile
from nginxws.errors import DriftError, NginxwsError, NodeError
from nginxws.nodes import limits

URL = "ws://chat.example.com/ws/"
CONF = "/etc/chat.conf"
IN_PLACE = WantedFile(CONF, b"url=(.*)", None, URL, on_node=CONF)
IN_SOURCE = WantedFile(
    "public/chat.js", None, b"{{WS_URL}}", URL, in_source=True, on_node="/srv/chat/current/public/chat.js"
)
SOURCE = (
    Entry("public/", 0o755),
    Entry("public/chat.js", 0o644, b"a\nconnect({{WS_URL}})\n"),
    Entry("run", 0o755),
)
SENT = pack([SOURCE[0], replace(SOURCE[1], data=f"a\nconnect({URL})\n".encode()), SOURCE[2]])
NAME = digest(SENT)[:16]


def app(*files: WantedFile, **more: str | None) -> WantedApp:
    said: dict[str, str | None] = {
        "source": "chat",
        "target": "/srv/chat",
        "service": "chat",
        "restart": None,
    }
    said |= more
    return WantedApp(
        "chat",
        "10.0.0.5",
        8080,
        keep=3,
        ready_timeout=30,
        files=files,
        after=(),
        **said,
    )


def test_a_service_that_nothing_there_manages() -> None:
    now = AppSnapshot(files=(FileState(CONF, b"url=old\nx=1\n"),), unmanaged=True)
    with pytest.raises(NodeError, match="there is no service chat") as caught:
        make_app_plan(app(IN_PLACE), now, None)
    assert caught.value.hint == "name the service as the node does, or say restart = COMMAND"
    done = AppSnapshot(files=(FileState(CONF, f"url={URL}\n".encode()),), unmanaged=True)
    assert make_app_plan(app(IN_PLACE), done, None).is_noop, "nothing is to be restarted"


def test_the_first_time() -> None:
    now = AppSnapshot(files=(FileState(CONF, b"url=old\nx=1\n"),))
    plan = make_app_plan(app(IN_SOURCE, IN_PLACE), now, SOURCE)
    assert plan.release == Release(NAME, SENT)
    assert plan.edits == (FileEdit(CONF, b"url=old\nx=1\n", f"url={URL}\nx=1\n".encode()),)
    assert (plan.name, plan.deployed, plan.restart, plan.is_noop, plan.removed) == (
        "chat",
        False,
        True,
        False,
        (),
    )
    assert plan.changes == (
        f"deploy chat to /srv/chat as release {NAME} (2 files)",
        f"write {URL} into its public/chat.js",
        f"write {URL} into {CONF}",
        "restart service chat",
    )
    assert plan.diff == (
        "--- a/public/chat.js\n+++ b/public/chat.js\n@@ -1,2 +1,2 @@\n a\n"
        f"-connect({{{{WS_URL}}}})\n+connect({URL})\n"
        f"--- a/etc/chat.conf\n+++ b/etc/chat.conf\n@@ -1,2 +1,2 @@\n-url=old\n+url={URL}\n x=1\n"
    )
    assert {one.path: one.data for one in entries_of(SENT, "x")}["public/chat.js"].endswith(
        URL.encode() + b")\n"
    )


def test_a_release_that_is_there_already_is_switched_to() -> None:
    now = AppSnapshot(current="other", releases=(NAME, "other"))
    plan = make_app_plan(app(IN_SOURCE, restart="kill -HUP 1", service=None), now, SOURCE)
    assert (plan.release, plan.deployed, plan.restart) == (Release(NAME, SENT), True, True)
    assert plan.changes == (
        f"switch /srv/chat/current to release {NAME}, which is there already",
        "restart it: kill -HUP 1",
    )


def test_nothing_to_do() -> None:
    now = AppSnapshot(NAME, (NAME,), files=(FileState(CONF, f"url={URL}".encode(), b"url=old"),))
    for files in ((IN_SOURCE, IN_PLACE), (IN_PLACE, IN_SOURCE)):
        plan = make_app_plan(app(*files), now, SOURCE)
        assert plan == AppPlan("chat")
        assert plan.is_noop
    assert make_app_plan(app(), AppSnapshot(), None).is_noop
    assert make_down_plan(app(), AppSnapshot()).is_noop


def test_what_was_interrupted_is_something_to_do() -> None:
    for plan in (
        make_app_plan(app(), AppSnapshot(pending=True), None),
        make_down_plan(app(), AppSnapshot(pending=True)),
    ):
        assert plan.changes == ("undo a change that was interrupted",)
        assert not plan.is_noop
        assert not plan.restart


def test_an_application_that_nothing_restarts() -> None:
    now = AppSnapshot(files=(FileState(CONF, b"url=old"),))
    plan = make_app_plan(app(IN_PLACE, service=None), now, None)
    assert (plan.restart, plan.changes) == (False, (f"write {URL} into {CONF}",))


def test_a_placeholder_is_looked_for_in_the_original() -> None:
    file = WantedFile("c.js", None, b"@URL@", URL, on_node="/srv/c.js")
    first = AppSnapshot(files=(FileState("/srv/c.js", b"<@URL@>"),))
    (edit,) = make_app_plan(app(file), first, None).edits
    done = AppSnapshot(files=(FileState("/srv/c.js", edit.after, edit.before),))
    assert make_app_plan(app(file), done, None).is_noop
    (again,) = make_app_plan(app(replace(file, value="wss://b/")), done, None).edits
    assert again == FileEdit("/srv/c.js", edit.after, b"<wss://b/>")


def test_a_file_that_is_not_wanted_any_more_gets_its_original_back() -> None:
    states = (
        FileState(CONF, b"url=ws://x", b"url=old"),
        FileState("/gone", None, b"x"),
        FileState("/own", b"y"),
    )
    plan = make_app_plan(app(), AppSnapshot(files=states), None)
    assert plan.edits == (FileEdit(CONF, b"url=ws://x", b"url=old"),)
    assert plan.changes == (f"give {CONF} its original bytes back", "restart service chat")


def test_down() -> None:
    states = (
        FileState(CONF, b"url=ws://x\n", b"url=old\n"),
        FileState("/gone", None, b"x"),
        FileState("/own", b"y"),
    )
    plan = make_down_plan(app(IN_PLACE), AppSnapshot("r2", ("r1", "r2"), files=states))
    assert plan.edits == (FileEdit(CONF, b"url=ws://x\n", b"url=old\n"),)
    assert (plan.removed, plan.release, plan.restart) == (("r1", "r2"), None, True)
    assert plan.changes == (
        f"give {CONF} its original bytes back",
        "remove 2 releases from /srv/chat",
        "restart service chat",
    )
    assert plan.diff.endswith("@@ -1 +1 @@\n-url=ws://x\n+url=old\n")


def test_down_leaves_releases_that_the_node_has_no_record_of() -> None:
    """They may be another environment's, or an export's: the node wouldn't remove them."""
    now = AppSnapshot("r1", ("r1",), recorded=False)
    assert make_down_plan(app(), now).is_noop
    interrupted = make_down_plan(app(), replace(now, pending=True))
    assert interrupted.changes == ("undo a change that was interrupted",)
    assert interrupted.removed == ()


def edited(data: bytes, before: bytes | None = b"url=old\n") -> AppSnapshot:
    """A node on which somebody has edited a file since we did."""
    return AppSnapshot(files=(FileState(CONF, data, edited="/state/originals/x", before=before),))


def test_down_takes_our_address_out_of_a_file_that_somebody_edited() -> None:
    plan = make_down_plan(app(IN_PLACE), edited(f"url={URL}\nx=1\n".encode()))
    assert plan.edits == (FileEdit(CONF, f"url={URL}\nx=1\n".encode(), b"url=old\nx=1\n"),)
    said = f"take our address out of {CONF}; what was edited by hand there stays"
    assert plan.changes == (said, "restart service chat")
    assert not plan.overwrite
    assert make_down_plan(app(IN_PLACE), edited(b"url=old\nx=1\n")).is_noop, "he has done it himself"


@pytest.mark.parametrize(
    ("wanted", "now"),
    [
        (app(IN_PLACE), edited(b"url=ws://other/\n")),
        (app(IN_PLACE), edited(f"url={URL}\nurl={URL}\n".encode())),
        (app(IN_PLACE), edited(f"url={URL}\nx\n".encode(), None)),
        (app(), edited(f"url={URL}\nx\n".encode())),
    ],
    ids=["another address", "twice", "no text before", "not wanted any more"],
)
def test_an_edit_that_our_address_cant_be_told_from_stops_it(wanted: WantedApp, now: AppSnapshot) -> None:
    plans: list[Callable[[], AppPlan]] = [lambda: make_down_plan(wanted, now)]
    if not wanted.files:
        plans.append(lambda: make_app_plan(wanted, now, None))
    for plan in plans:
        with pytest.raises(DriftError) as caught:
            plan()
        error = caught.value
        assert (error.node, error.file, error.code) == ("chat", CONF, 1)
        assert "edited by hand" in error.message
        assert "/state/originals/x" in str(error.hint)
        assert ("--overwrite-drift" in str(error.hint)) is (now.files[0].before is not None)


def test_an_edit_may_be_given_up() -> None:
    now = edited(b"url=ws://other/\nx=1\n")
    for plan in (
        make_down_plan(app(IN_PLACE), now, overwrite=True),
        make_app_plan(app(), now, None, overwrite=True),
    ):
        assert plan.edits == (FileEdit(CONF, b"url=ws://other/\nx=1\n", b"url=old\n"),)
        assert (
            plan.changes[0] == f"give {CONF} its original bytes back; what was edited by hand there is lost"
        )
        assert "-x=1\n" in plan.diff
        assert plan.overwrite
    with pytest.raises(DriftError):
        make_down_plan(app(IN_PLACE), edited(b"x", None), overwrite=True)


def test_on_the_way_up_an_edit_stays_or_is_given_up() -> None:
    placeholder = replace(IN_PLACE, pattern=None, placeholder=b"old")
    for file in (IN_PLACE, placeholder):
        now = edited(f"url={URL}\nx=1\n".encode())
        assert make_app_plan(app(file), now, None).is_noop
        plan = make_app_plan(app(file), now, None, overwrite=True)
        assert plan.edits == (FileEdit(CONF, f"url={URL}\nx=1\n".encode(), f"url={URL}\n".encode()),)
        assert plan.changes[0] == f"write {URL} into {CONF}; what was edited by hand there is lost"
        assert plan.overwrite
    (edit,) = make_app_plan(app(IN_PLACE), edited(b"url=ws://other/\ny\n"), None).edits
    assert edit.after == f"url={URL}\ny\n".encode()
    (edit,) = make_app_plan(app(IN_PLACE), edited(b"url=z\n", None), None, overwrite=True).edits
    assert edit.after == f"url={URL}\n".encode()


@pytest.mark.parametrize(
    ("files", "now", "entries", "message", "hint"),
    [
        ((IN_PLACE,), AppSnapshot(), None, f"{CONF}: isn't there, or isn't a file", "[[websocket]]"),
        ((IN_PLACE,), AppSnapshot(files=(FileState(CONF, None),)), None, f"{CONF}: isn't there", "manifest"),
        ((IN_PLACE,), AppSnapshot(files=(FileState(CONF, b"x"),)), None, f"{CONF}: the pattern", "text"),
        ((), AppSnapshot(foreign="a folder stands there"), SOURCE,
         "chat: /srv/chat/current: the link can't be switched: a folder stands there", "another target"),
        ((replace(IN_SOURCE, file="chat.js"),), AppSnapshot(), SOURCE,
         "chat: chat.js isn't a file of the source chat", "did you mean public/chat.js?"),
        ((replace(IN_SOURCE, file="nope.js"),), AppSnapshot(), SOURCE, "chat: nope.js isn't a file", "top"),
        ((replace(IN_SOURCE, file="l"),), AppSnapshot(), (*SOURCE, Entry("l", 0o777, link="run")),
         "chat: l isn't a file", "its path begins"),
        ((replace(IN_SOURCE, file="run"),), AppSnapshot(), SOURCE, "run: the placeholder", "text"),
    ],
)  # fmt: skip
def test_what_can_not_be_planned(
    files: tuple[WantedFile, ...],
    now: AppSnapshot,
    entries: tuple[Entry, ...] | None,
    message: str,
    hint: str,
) -> None:
    with pytest.raises(NginxwsError) as caught:
        make_app_plan(app(*files), now, entries)
    assert message in str(caught.value)
    assert hint in (caught.value.hint or "")
    assert caught.value.code == 1
    foreign = now.foreign or "isn't there" in message
    assert isinstance(caught.value, NodeError) is bool(foreign)


def test_a_foreign_link_does_not_matter_where_nothing_is_deployed() -> None:
    assert make_app_plan(app(), AppSnapshot(foreign="x"), None).is_noop


def test_what_is_too_large_for_the_node_is_refused_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert unpacking.MAX_BYTES <= limits.ARCHIVE
    monkeypatch.setattr(unpacking, "MAX_BYTES", len(SENT) - 1)
    with pytest.raises(NginxwsError, match="chat: holds more than"):
        make_app_plan(app(IN_SOURCE), AppSnapshot(), SOURCE)


def test_the_diff_is_one_that_patch_takes(tmp_path: Path) -> None:
    before = b"x\n" * 10 + b"url=old"
    plan = make_app_plan(app(IN_PLACE), AppSnapshot(files=(FileState(CONF, before),)), None)
    path = tmp_path / "etc" / "chat.conf"
    path.parent.mkdir()
    path.write_bytes(before)
    subprocess.run(
        ["patch", "--quiet", "-p1", "-d", tmp_path], input=plan.diff.encode(), check=True, timeout=60
    )
    assert path.read_bytes() == plan.edits[0].after


# --- a node on which plans are carried out -------------------------------------------------------


def carried_out(now: AppSnapshot, plan: AppPlan) -> AppSnapshot:
    """The node afterwards, as the driver leaves and shows it."""
    files = {state.path: state for state in now.files}
    for edit in plan.edits:
        state = files[edit.path]
        assert state.data == edit.before
        original = edit.before if state.original is None else state.original
        files[edit.path] = FileState(edit.path, edit.after, None if original == edit.after else original)
    releases = tuple(one for one in now.releases if one not in plan.removed)
    current = None if now.current in plan.removed else now.current
    if plan.release is not None:
        current = plan.release.name
        assert plan.deployed == (current in releases)
        releases = releases if plan.deployed else (*releases, current)
    return AppSnapshot(current, releases, files=tuple(files.values()))


NODE_FILES = ["/a", "/b", "/c"]
ADDRESSES = st.sampled_from(["ws://a/", "ws://b/", "old"])


@st.composite
def wishes(draw: st.DrawFn) -> tuple[WantedApp, tuple[Entry, ...] | None]:
    """Some of the node's files with some address, and maybe a source."""
    files = []
    for path in draw(st.lists(st.sampled_from(NODE_FILES), unique=True)):
        pattern, placeholder = draw(st.sampled_from([(b"<(.*?)>", None), (None, b"@@")]))
        files.append(WantedFile(path, pattern, placeholder, draw(ADDRESSES), on_node=path))
    entries = None
    if draw(st.booleans()):
        entries = (Entry("x.js", 0o644, b"@@"), Entry("y", 0o644, draw(st.sampled_from([b"1", b"2"]))))
        files.append(
            WantedFile("x.js", None, b"@@", draw(ADDRESSES), in_source=True, on_node="/t/current/x.js")
        )
    return app(*files, service=draw(st.sampled_from(["chat", None]))), entries


@given(st.lists(wishes(), min_size=1, max_size=5))
def test_a_plan_that_is_carried_out_leaves_nothing_to_do_and_down_everything_as_it_was(
    steps: list[tuple[WantedApp, tuple[Entry, ...] | None]],
) -> None:
    start = AppSnapshot(files=tuple(FileState(path, b"a <old> @@ b") for path in NODE_FILES))
    now = start
    for wanted, entries in steps:
        plan = make_app_plan(wanted, now, entries)
        assert plan.is_noop == (plan.release is None and not plan.edits)
        assert bool(plan.diff) >= bool(plan.edits)
        now = carried_out(now, plan)
        again = make_app_plan(wanted, now, entries)
        assert again == AppPlan("chat")
    down = make_down_plan(steps[-1][0], now)
    assert carried_out(now, down) == start
    assert make_down_plan(steps[-1][0], start).is_noop
