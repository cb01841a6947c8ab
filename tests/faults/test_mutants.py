"""Node scripts broken on purpose: each breaks one promise, and a check of this folder must notice."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults.rig import Rig
from faults.variants import Mutation, mutate, stopping_at
from support.nginx import wait_for

from nginxws.errors import LockedError, NginxwsError, StaleError
from nginxws.nodes import transaction
from nginxws.nodes.link import NodeLink
from nginxws.nodes.reading import read_node
from nginxws.nodes.script import script
from nginxws.plan import NodePlan, Put
from nginxws.planner import make_plan
from nginxws.route import Route

pytestmark = [pytest.mark.nginx]

Check = Callable[[Rig, Sequence[Mutation]], list[str]]


# --- checks --------------------------------------------------------------------------------------


def cell(step: str, fault: str) -> Check:
    """One cell of the interruption matrix."""
    return lambda rig, mutations: rig.run(step, fault, mutations).violations


@contextlib.contextmanager
def planned(rig: Rig, mutations: Sequence[Mutation]) -> Iterator[tuple[NodeLink, NodePlan]]:
    """A link to the broken node, and a plan for it."""
    text = mutate(script().decode(), mutations).encode()
    with pytest.MonkeyPatch.context() as patch, rig.link() as link:
        patch.setattr("nginxws.nodes.script.script", lambda: text)
        yield link, make_plan(read_node(link, _step), [Put(Route.create("/ws/", [rig.backend.address]))])


def carry_out(link: NodeLink, plan: NodePlan, decide: Callable[[], str | None]) -> NginxwsError | None:
    """The error that a transaction ends in."""
    try:
        transaction.run(link.session(), plan, link.options, transaction.new_id(), _step, decide)
    except NginxwsError as error:
        return error
    return None


def proof(rig: Rig, mutations: Sequence[Mutation]) -> list[str]:
    """When the node says ready, no old worker takes connections any more, and new ones do."""
    old = {pid for pid, draining in rig.node.workers().items() if not draining}
    wrong: list[str] = []

    def look() -> str:
        titles = [Path(f"/proc/{pid}/cmdline") for pid in old]  # ps would take too long
        if any(b"shutting down" not in title.read_bytes() for title in titles if title.exists()):
            wrong.append("old workers serve")
        if not {pid for pid, draining in rig.node.workers().items() if not draining} - old:
            wrong.append("no new workers")
        return "seen enough"

    with planned(rig, mutations) as (link, plan):
        carry_out(link, plan, look)
    return wrong


def stale_file(rig: Rig, mutations: Sequence[Mutation]) -> list[str]:
    """A file that somebody edits between plan and transaction stays as it is."""
    before = rig.node.site.read_bytes()
    with planned(rig, mutations) as (link, plan):
        rig.node.site.write_bytes(before + b"# edited\n")
        try:
            error = carry_out(link, plan, lambda: "no")
        finally:
            os.truncate(rig.node.site, len(before))
    return [] if isinstance(error, StaleError) and str(rig.node.site) in str(error) else [repr(error)]


def stale_list(rig: Rig, mutations: Sequence[Mutation]) -> list[str]:
    """A file that a glob takes in between plan and transaction makes the plan stale."""
    newcomer = rig.node.site.with_name("a-newcomer.conf")
    with planned(rig, mutations) as (link, plan):
        newcomer.write_text("# nothing yet\n")
        try:
            error = carry_out(link, plan, lambda: "no")
        finally:
            newcomer.unlink()
    return [] if isinstance(error, StaleError) and str(newcomer) in str(error) else [repr(error)]


def human_edit(rig: Rig, mutations: Sequence[Mutation]) -> list[str]:
    """A file that somebody edits while the route is being probed is not ours to put back."""
    edited = b""

    def edit() -> str:
        nonlocal edited
        edited = rig.node.site.read_bytes() + b"# by hand\n"
        rig.node.site.write_bytes(edited)
        return "no"

    before = rig.node.site.read_bytes()
    with planned(rig, mutations) as (link, plan):
        error = carry_out(link, plan, edit)
        wrong = [] if rig.node.site.read_bytes() == edited else ["the edit is lost"]
    rig.node.site.write_bytes(before)
    return wrong if error is not None and error.code == 5 else [*wrong, repr(error)]


def rivals(rig: Rig, mutations: Sequence[Mutation]) -> list[str]:
    """While one command works on the node, another one is kept out."""
    hook = rig.folder / f"rival{rig.counter}"
    text = stopping_at(mutate(script().decode(), mutations), "stage", hook)
    with planned(rig, mutations) as (link, plan):
        rig.start(rig.add_route("--node", "local"), text, None)
        try:
            wait_for(hook.with_suffix(".reached").exists, "the first command")
            object.__setattr__(link.options, "lock_timeout", 0)
            error = carry_out(link, plan, lambda: "no")
        finally:
            hook.with_suffix(".go").touch()
            rig.finish()
    return [] if isinstance(error, LockedError) else [repr(error)]


def _step(_name: str, _words: str) -> None:
    """Progress that nobody watches."""


# --- mutants -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mutant:
    """A broken node script, and the check that must notice."""

    name: str
    old: str
    new: str
    check: Check


_SILENCE = """'') undo silence "no word from the client within $CONFIRM_TIMEOUT s" ;;"""
_CHECKPOINT = "  step checkpoint\n"
_KEEP = 'mv -- "$undo" "$S/pending"'
_COMPLETE = '[ -n "$fresh" ] && [ -z "$stale" ]'
_SWEEP = '  rm -rf -- "$@" "$S/stage"'
_PUT_BACK = "put_back || put_back ||"
_RELOAD = "  reload_and_prove && return 0\n"
_EARLY = '  early() { cat "$new" >"$path"; }; each_file early\n'

MUTANTS = [
    Mutant("end of file restores nothing", _SILENCE, "'') ;;", cell("probe", "client SIGKILL")),
    Mutant("end of file commits", _SILENCE, "'') commit ;;", cell("probe", "client SIGKILL")),
    Mutant("live before the undo", _CHECKPOINT, _EARLY + _CHECKPOINT, cell("checkpoint", "both SIGKILL")),
    Mutant("the undo is lost", _KEEP, _KEEP + '; rm "$S/pending/meta"', cell("reload", "both SIGKILL")),
    Mutant("no lock", "flock -n 9 2>/dev/null && return 0", "return 0", rivals),
    Mutant("the proof waits for nothing", "\nprove() {\n", "\nprove() {\n  return 0\n", proof),
    Mutant("the proof ignores old workers", _COMPLETE, '[ -n "$fresh" ]', proof),
    Mutant("restored, not reloaded", _RELOAD, "  return 0\n", cell("probe", "client SIGTERM")),
    Mutant("reloaded, not restored", _PUT_BACK, ": ||", cell("probe", "client SIGTERM")),
    Mutant("deaf to signals", "trap 'STOP=TERM' TERM", "trap '' TERM", cell("prove", "script SIGTERM")),
    Mutant("temporary files stay", _SWEEP, '  : "$@" "$S/stage"', cell("test", "client SIGTERM")),
    Mutant("edits are put back", "  each_file find_edit\n", "", human_edit),
    Mutant("a stale plan is carried out", '[ "$SUMS" != "$BASE_SUMS" ] || return 0', "return 0", stale_file),
    Mutant("a new file goes unseen", "  same_list ||", "  : ||", stale_list),
]

CHECKS = (proof, stale_file, stale_list, human_edit, rivals)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_broken_node_script_is_noticed(rig: Rig, mutant: Mutant) -> None:
    try:
        assert mutant.check(rig, [(mutant.old, mutant.new)]) != []
    finally:
        rig.mend()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_shipped_one_passes(rig: Rig, check: Check) -> None:
    try:
        assert check(rig, []) == []
    finally:
        rig.mend()
