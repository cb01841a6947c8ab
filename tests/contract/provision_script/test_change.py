"""A change of an application, and taking it back, to the byte."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.appnode import AppNode, AppTalk, entries

from nginxws.environment.plan import AppPlan, make_app_plan, make_down_plan
from nginxws.errors import DriftError, NodeError, Restored, StaleError


def test_up_again_and_down_to_the_byte(talk: AppTalk, node: AppNode) -> None:
    before, running = node.tree(), node.running.read_bytes()
    steps: list[str] = []
    done = talk.up(on_step=lambda name, _words: steps.append(name))
    assert steps == ["lock", "stage", "checkpoint", "activate", "restart", "commit"]
    assert done.changed
    assert done.restarted
    assert node.conf.read_text() == '# chat\nurl = "ws://new/ws/"\n'
    assert node.conf.stat().st_mode & 0o7777 == 0o640
    current = node.target / "current"
    assert current.is_symlink()
    assert (current / "version").read_text() == "one\n"
    assert (current / "bin/run").stat().st_mode & 0o7777 == 0o755
    assert (current / "version").stat().st_mode & 0o7777 == 0o644
    assert {path.stat().st_mode & 0o7777 for path in (node.target, node.target / "releases", current)} == {
        0o755
    }
    assert node.running.read_bytes() == node.served() != running
    assert node.restarts == 1
    assert node.leftovers() == []

    now = talk.look()
    assert now.current == Path(os.readlink(current)).name  # noqa: PTH115  # as it stands there
    assert now.releases == (now.current,)
    assert now.files[0].original == b'# chat\nurl = "ws://old/"\n'
    assert talk.plan(now=now).is_noop
    up = node.tree()
    assert not talk.up().changed
    assert node.tree() == up
    assert node.restarts == 1

    steps = []
    down = talk.down(on_step=lambda name, _words: steps.append(name))
    assert steps == ["lock", "stage", "checkpoint", "activate", "restart", "commit"]
    assert down.changed
    assert down.words == ""
    assert node.tree() == before
    assert node.running.read_bytes() == running
    assert not node.state.exists()
    assert not talk.down().changed
    assert not node.state.exists()


def test_a_refused_change_leaves_nothing(talk: AppTalk, node: AppNode) -> None:
    before, running, seen = node.tree(), node.running.read_bytes(), []

    def decide() -> str:
        seen.append(node.running.read_bytes() == node.served() != running)
        return "the balancer says no"

    with pytest.raises(Restored, match="everything was restored") as caught:
        talk.up(decide=decide)
    assert seen == [True]
    assert caught.value.detail == "the balancer says no"
    assert node.tree() == before
    assert node.running.read_bytes() == running
    assert node.restarts == 2
    assert node.leftovers() == []
    assert talk.up().changed
    with pytest.raises(Restored):
        talk.down(lambda: "no")
    assert node.running.read_bytes() == node.served()
    assert talk.plan().is_noop
    assert talk.down().changed
    assert node.tree() == before


def test_releases_beyond_those_kept_go_and_one_that_is_there_is_switched_to(
    dash: AppTalk, node: AppNode
) -> None:
    names: list[str] = []
    for version in ("one", "two", "three", "two", "four"):
        plan = dash.plan(version)
        assert plan.deployed == (names.count(version) > 0 and version != "one")
        assert dash.change(plan).changed
        names.append(version)
        assert (node.target / "current" / "version").read_text() == f"{version}\n"
    now = dash.look()
    versions = [(node.target / "releases" / name / "version").read_text() for name in now.releases]
    assert versions == ["two\n", "four\n"]
    assert sorted(path.name for path in (node.target / "releases").iterdir()) == sorted(now.releases)
    assert node.leftovers() == []


def test_files_alone_are_edited_where_they_really_are_with_all_that_they_have(
    talk: AppTalk, node: AppNode
) -> None:
    """By a link, with an owner and an attribute of its own; the text before the first edit comes back."""
    link = node.home / "the link.conf"
    link.symlink_to(node.conf)
    os.chown(node.conf, 12, 34)
    os.setxattr(node.conf, "user.test", b"kept")
    before = node.tree()
    for value in ("ws://new/ws/", "ws://newer/ws/"):
        node.wanted = replace(node.wanted, source=None, target=None, files=(node.file(value, link),))
        talk.options = replace(talk.options, target="")
        done = talk.up(None)
        assert value in node.conf.read_text()
        assert link.is_symlink()
        assert (node.conf.stat().st_uid, node.conf.stat().st_gid) == (12, 34)
        if "busybox" not in str(talk):
            assert done.in_place == ()
    assert talk.look().files[0].original == b'# chat\nurl = "ws://old/"\n'
    assert talk.down().changed
    assert node.tree() == before
    assert not node.state.exists()


def test_down_takes_back_files_that_the_manifest_names_no_more(dash: AppTalk, node: AppNode) -> None:
    before = node.tree()
    dash.up()
    node.wanted = replace(node.wanted, files=())
    assert dash.look().files[0].path == str(node.conf)
    assert dash.down().changed
    assert node.tree() == before


def test_what_somebody_wrote_since_is_not_thrown_away(dash: AppTalk, node: AppNode) -> None:
    dash.up()
    node.conf.write_bytes(b'url = "ws://his/"\n# by hand\n')
    assert dash.look().files[0].original is None
    before = node.tree()
    with pytest.raises(DriftError, match="edited by hand") as caught:
        dash.down()
    assert node.tree() == before
    assert caught.value.hint
    place = next(word for word in caught.value.hint.split() if "originals" in word)
    node.conf.write_bytes(Path(place).read_bytes())
    assert dash.down().changed
    assert node.conf.read_text() == '# chat\nurl = "ws://old/"\n'
    assert not node.state.exists()


def test_an_edit_beside_our_address_stays(talk: AppTalk, node: AppNode) -> None:
    talk.up()
    node.conf.write_bytes(node.conf.read_bytes() + b"# by hand\n")
    assert talk.look().files[0].before == b'# chat\nurl = "ws://old/"\n'
    assert talk.plan().is_noop
    assert talk.down().changed
    assert node.conf.read_text() == '# chat\nurl = "ws://old/"\n# by hand\n'
    assert not node.state.exists()


def test_an_edit_that_is_given_up(talk: AppTalk, node: AppNode) -> None:
    """On the way up, too: what stood there before us is still what stood there before the edit."""
    first = node.tree()
    talk.up()
    ours, by_hand = node.tree(), b'url = "ws://his/"\n'
    node.conf.write_bytes(by_hand)
    talk.change(make_app_plan(node.wanted, talk.look(), entries("one"), overwrite=True))
    assert node.tree() == ours
    node.conf.write_bytes(by_hand)
    unwanted = replace(node.wanted, files=())
    now = talk.look()
    talk.change(make_app_plan(unwanted, now, entries("one"), overwrite=True))
    assert talk.look().files[0].original is None
    assert node.conf.read_text() == '# chat\nurl = "ws://old/"\n'
    talk.up()
    node.conf.write_bytes(by_hand)
    now = talk.look()
    plan = make_down_plan(node.wanted, now, overwrite=True)
    assert talk.down(plan=plan, now=now).changed
    assert node.tree() == first


def test_a_text_before_that_is_lost(dash: AppTalk, node: AppNode) -> None:
    dash.up()
    (kept,) = (node.state / "apps" / "chat" / "originals").iterdir()
    kept.unlink()
    node.conf.write_bytes(b"# by hand\n")
    assert dash.look().files[0].edited == str(kept)
    assert dash.look().files[0].before is None
    with pytest.raises(DriftError, match="edited by hand"):
        dash.down()


def test_a_down_that_was_agreed_to_before_somebody_edited(dash: AppTalk, node: AppNode) -> None:
    dash.up()
    now = dash.look()
    node.conf.write_bytes(node.conf.read_bytes() + b"# by hand\n")
    before = node.tree()
    with pytest.raises(StaleError, match=r"chat\.conf"):
        dash.down(plan=make_down_plan(node.wanted, now), now=now)
    assert node.tree() == before


def test_a_stale_plan_touches_nothing(dash: AppTalk, node: AppNode) -> None:
    now = dash.look()
    plan = dash.plan(now=now)
    node.conf.write_text('# other\nurl = "ws://old/"\n')
    before = node.tree()
    with pytest.raises(StaleError, match=r"chat\.conf"):
        dash.change(plan)
    assert node.tree() == before
    dash.up("two")
    before = node.tree()
    with pytest.raises(StaleError, match="current"):
        dash.change(replace(dash.plan("three"), edits=()), now=now)
    with pytest.raises(StaleError, match="releases/"):
        dash.change(replace(dash.plan("three"), deployed=True))
    assert node.tree() == before
    assert node.restarts == 1


@pytest.mark.parametrize("what", ["folder", "file", "link", "target"])
def test_what_isnt_ours_is_never_switched(dash: AppTalk, node: AppNode, what: str) -> None:
    plan = dash.plan()
    node.target.parent.mkdir()
    if what == "target":
        node.target.write_text("a file")
    else:
        node.target.mkdir()
        current = node.target / "current"
        if what == "folder":
            current.mkdir()
        elif what == "file":
            current.write_text("x")
        else:
            current.symlink_to("../elsewhere")
    assert dash.look().foreign
    before = node.tree()
    with pytest.raises(StaleError):
        dash.change(plan)
    with pytest.raises(NodeError):
        dash.plan()
    dash.up(None)
    dash.down()
    assert node.tree() == before


def test_a_name_that_is_taken_elsewhere_is_refused(dash: AppTalk, node: AppNode) -> None:
    dash.up()
    before = node.tree()
    other = dash.with_options(target=str(node.home / "other"))
    with pytest.raises(NodeError, match="is deployed at"):
        other.look()
    with pytest.raises(NodeError, match="is deployed at"):
        other.down()
    assert node.tree() == before


def test_two_names_of_one_file_are_refused(dash: AppTalk, node: AppNode) -> None:
    link = node.home / "link"
    link.symlink_to(node.conf)
    node.wanted = replace(node.wanted, files=(node.file("ws://a/"), node.file("ws://a/", link)))
    before = node.tree()
    with pytest.raises(NodeError, match="named twice"):
        dash.up()
    assert node.tree() == before


def test_what_is_too_large_or_missing(dash: AppTalk, node: AppNode) -> None:
    node.conf.write_bytes(b"x" * (4 * 1024 * 1024 + 1))
    with pytest.raises(NodeError, match="too large"):
        dash.look()
    node.conf.unlink()
    assert dash.look().files[0].data is None
    os.mkfifo(node.conf)
    assert dash.look().files[0].data is None
    assert not node.state.exists()


def test_an_archive_that_tar_refuses_changes_nothing(dash: AppTalk, node: AppNode) -> None:
    plan, before = dash.plan(), node.tree()
    assert plan.release is not None
    broken = replace(plan, release=replace(plan.release, archive=b"no archive" * 1000))
    with pytest.raises(NodeError, match="could not be staged; nothing was changed") as caught:
        dash.change(broken)
    assert "unpacked" in (caught.value.detail or "")
    assert node.tree() == before
    assert node.leftovers() == []


def test_nothing_to_do_asks_nothing(dash: AppTalk, node: AppNode) -> None:
    done = dash.change(AppPlan("chat"), lambda: pytest.fail("nobody is asked"))
    assert not done.changed
    assert not node.state.exists()


def test_a_large_archive_arrives_whole_while_another_one_waits(dash: AppTalk, node: AppNode) -> None:
    plan = dash.plan("x" * (3 << 20))
    assert plan.release is not None
    assert len(plan.release.archive) > 3 << 20
    assert dash.change(plan).changed
    assert (node.target / "current" / "version").stat().st_size == (3 << 20) + 1
    assert entries("two")
