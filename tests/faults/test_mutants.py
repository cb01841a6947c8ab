"""Node scripts and drivers broken on purpose: each breaks a promise, and a cell or check must notice."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from faults.breaks import BREAKS
from faults.fault import expect
from faults.judge import judge
from faults.matrix import fault_named
from faults.rig import Rig
from faults.variants import Mutation, mutate
from faults.window import confirm_window, frozen_client
from support.nginx import wait_for

from nginxws.errors import LockedError, NginxwsError, StaleError
from nginxws.nodes import transaction
from nginxws.nodes.link import NodeLink
from nginxws.nodes.reading import read_node
from nginxws.nodes.script import script
from nginxws.plan import NodePlan, Put
from nginxws.planner import make_plan
from nginxws.printable import one_line
from nginxws.route import Route

pytestmark = [pytest.mark.nginx]

Check = Callable[..., list[str]]


# --- checks --------------------------------------------------------------------------------------


def cell(step: str, fault: str) -> Check:
    """One cell of the interruption matrix."""

    def run(rig: Rig, mutations: Sequence[Mutation], broken: str = "") -> list[str]:
        return rig.run(step, fault_named(fault), mutations, broken).violations

    run.__name__ = f"{step} x {fault}"
    return run


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
    with planned(rig, mutations) as (link, plan):
        first = rig.start_stopping(rig.add_route("--node", "local"), "stage 1", mutations)
        try:
            wait_for(first.reached.exists, "the first command")
            object.__setattr__(link.options, "lock_timeout", 0)
            error = carry_out(link, plan, lambda: "no")
        finally:
            first.go()
            rig.finish()
    return [] if isinstance(error, LockedError) else [repr(error)]


def failing_probe(rig: Rig, mutations: Sequence[Mutation], broken: str = "") -> list[str]:
    """A route that does not prove itself is not kept."""
    argv = rig.add_route("--node", "local", "--probe-expect", "418", "--probe-timeout", "1")
    began = rig.start(argv, mutate(script().decode(), mutations), broken=broken)
    code = rig.finish_soon(began.pid)
    return judge(rig, expect("old", 4), code, began.output.read_text()).violations


def _step(_name: str, _words: str) -> None:
    """Progress that nobody watches."""


# --- mutants -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mutant:
    """A node script with one replacement, or (``breaks``) a driver of the client, that breaks a promise."""

    promise: str
    name: str
    check: Check
    old: str = ""
    new: str = ""
    breaks: str = ""
    also: tuple[Mutation, ...] = ()


WHOLE = "old or new, whole"
SERVED = "files are what is served"
ALONE = "the node restores by itself"
TRUE = "the exit code is true"
FREE = "no lock stuck"
CLEAN = "nothing left behind"
LIVE = "open sockets live"
PROVED = "live means proved"
OTHERS = "others' work is safe"
BOUNDED = "an end in bounded time"

_SILENCE = """'') undo silence "no word from the client within $CONFIRM_TIMEOUT s" ;;"""
_CHECKPOINT = "  step checkpoint\n"
_EARLY = '  early() { cat "$new" >"$path"; }; each_file early\n'
_KEEP = 'mv -- "$undo" "$S/pending"'
_COMPLETE = '[ -n "$fresh" ] && [ -z "$stale" ]'
_SWEEP = '  rm -rf -- "$@" "$S/stage"'
_RELOAD = "  reload_and_prove && return 0\n"
_ROBBED = "  for pid in $DRAINING; do kill -KILL $pid; done\n"
_UNCHANGED = '[ "$SUMS" != "$BASE_SUMS" ] || return 0'

MUTANTS = [
    Mutant(WHOLE, "one file of two goes back", cell("probe", "client SIGTERM"),
           "restore_file() {\n", 'restore_file() {\n  [ "$n" = 1 ] || return 0\n'),
    Mutant(WHOLE, "live before the undo", cell("checkpoint", "both SIGKILL"),
           _CHECKPOINT, _EARLY + _CHECKPOINT),
    Mutant(WHOLE, "the undo is lost", cell("reload", "both SIGKILL"),
           _KEEP, _KEEP + '; rm "$S/pending/meta"'),
    Mutant(WHOLE, "recovery undoes nothing", cell("activate 1", "script SIGKILL"),
           'restore recovery "interrupted transaction $TX"', "close_pending; all_clean"),
    Mutant(SERVED, "restored, not reloaded", cell("probe", "client SIGTERM"), _RELOAD, "  return 0\n"),
    Mutant(SERVED, "reloaded, not restored", cell("probe", "client SIGTERM"),
           "put_back || put_back ||", ": ||"),
    Mutant(ALONE, "end of file restores nothing", cell("probe", "client SIGKILL"), _SILENCE, "'') ;;"),
    Mutant(ALONE, "end of file commits", cell("probe", "client SIGKILL"), _SILENCE, "'') commit ;;"),
    Mutant(ALONE, "deaf to signals", cell("prove", "script SIGTERM"),
           "trap 'STOP=TERM' TERM", "trap '' TERM"),
    Mutant(ALONE, "the confirm timer is slow", confirm_window,
           "until=$((NOW + CONFIRM_TIMEOUT + 1))", "until=$((NOW + CONFIRM_TIMEOUT * 12))"),
    Mutant(TRUE, "restored counts as done", cell("ready", "script SIGTERM"),
           breaks="restored_counts_as_done"),
    Mutant(TRUE, "lost counts as done", cell("reload", "tcp cut"), breaks="lost_counts_as_done"),
    Mutant(TRUE, "lost counts as undone", cell("committed", "tcp cut"), breaks="lost_counts_as_undone"),
    Mutant(TRUE, "recovery forgets what was committed", cell("committed", "script SIGKILL"),
           'emit last "$number ', ': last "$number '),
    Mutant(TRUE, "Ctrl-C is ignored", cell("test", "client SIGINT"), breaks="interrupts_are_ignored"),
    Mutant(FREE, "no lock", rivals, "flock -n 9 2>/dev/null && return 0", "return 0"),
    Mutant(FREE, "the lock outlives its owner", cell("test", "script SIGTERM"),
           '\nunlock() {\n', "\nunlock() {\n  sleep 9 >/dev/null 2>&1 </dev/null &\n"),
    Mutant(CLEAN, "temporary files stay", cell("test", "client SIGTERM"), _SWEEP, '  : "$@" "$S/stage"'),
    Mutant(LIVE, "a reload that ends old workers", cell("probe", "client SIGTERM"),
           "  emit ready ", _ROBBED + "  emit ready "),
    Mutant(PROVED, "the proof waits for nothing", proof, "\nprove() {\n", "\nprove() {\n  return 0\n"),
    Mutant(PROVED, "the proof ignores old workers", proof, _COMPLETE, '[ -n "$fresh" ]'),
    Mutant(PROVED, "commit without a probe", failing_probe, breaks="nothing_is_proved"),
    Mutant(OTHERS, "edits are put back", human_edit, "  each_file find_edit\n", ""),
    Mutant(OTHERS, "a stale plan is carried out", stale_file, _UNCHANGED, "return 0",
           also=(("has_sum() { sums", "has_sum() { return 0; sums"),)),
    Mutant(OTHERS, "a new file goes unseen", stale_list, "  same_list ||", "  : ||"),
    Mutant(BOUNDED, "silence is never noticed", frozen_client, breaks="silence_is_never_noticed"),
]  # fmt: skip

CHECKS = (proof, stale_file, stale_list, human_edit, rivals, failing_probe, confirm_window, frozen_client)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_broken_one_is_noticed(
    rig: Rig, mutant: Mutant, record_property: Callable[[str, object], None]
) -> None:
    record_property("mutant", f"{mutant.promise}: {mutant.name}")
    mutations = [(mutant.old, mutant.new), *mutant.also] if mutant.old else []
    try:
        more = {"broken": mutant.breaks} if mutant.breaks else {}
        wrong = mutant.check(rig, mutations, **more)
    finally:
        rig.mend()
    record_property("caught", f"{mutant.check.__name__}: {one_line(wrong[0])[:100] if wrong else '-'}")
    assert wrong != []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_shipped_one_passes(rig: Rig, check: Check) -> None:
    try:
        assert check(rig, []) == []
    finally:
        rig.mend()


def test_every_break_is_a_mutant() -> None:
    assert {mutant.breaks for mutant in MUTANTS} - {""} == set(BREAKS)
