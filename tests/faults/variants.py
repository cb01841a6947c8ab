"""Node scripts made from the shipped one by replacement: stopping at a step, or broken on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

#: Every place where a change of two files can be stopped, in order; at ``restore`` its probe has failed.
#: "stage 1" is when the first file is staged, "committed" when the revision is stored and nobody told,
#: "unlock" when the client has been told and the lock is still held.
STEPS = (
    "connect", "snapshot", "lock", "stage 1", "stage 2", "test", "checkpoint", "activate 1", "activate 2",
    "reload", "prove", "ready", "probe", "commit", "committed", "unlock", "restore",
)  # fmt: skip
#: There the client is stopped, not the script.
CLIENT_STEPS = ("connect", "probe")

#: A line of the node script's head, after which functions may be defined.
BEGINNING = "\numask 077\n"

#: One replacement in the node script: what must be there, and what to put in its place.
Mutation = tuple[str, str]

_HOOK = """
hook() {
  echo $$ >"@HOOK@.tmp"; mv "@HOOK@.tmp" "@HOOK@.reached"
  hooked=0
  while [ ! -e "@HOOK@.go" ] && [ "$hooked" -lt 6000 ]; do sleep 0.005; hooked=$((hooked + 1)); done
}
hook_at() { if [ "$1" = "@STEP@" ]; then hook; fi; }
"""
_STEP = 'step() { emit step "$1${2:+ $2}"; }'
_STEP_HOOKED = 'step() { emit step "$1${2:+ $2}"; hook_at "$1"; }'

#: Where the steps that the script doesn't tell itself are stopped; the others stop in ``step``.
_PLACES: dict[str, Mutation] = {
    "snapshot": ("  tell_workers\n  emit processes", "  hook\n  tell_workers\n  emit processes"),
    "stage": ("each_file stage_file ||", "each_file stage_hooked ||"),
    "activate": ("each_file activate_file ||", "each_file activate_hooked ||"),
    "ready": ("  emit ready", "  hook; emit ready"),
    "committed": ("  emit_done committed", "  hook; emit_done committed"),
    "unlock": ("    stage_and_go\n  fi\n  unlock", "    stage_and_go\n  fi\n  hook; unlock"),
}
_EACH = """
stage_hooked() { stage_file && hook_at "stage $n"; }
activate_hooked() { activate_file && hook_at "activate $n"; }
"""


def mutate(text: str, mutations: Sequence[Mutation]) -> str:
    """The script with these replacements; each must fit exactly once."""
    for old, new in mutations:
        assert text.count(old) == 1, f"{text.count(old)} places for {old!r}"
        text = text.replace(old, new)
    return text


def stopping_at(text: str, step: str, hook: Path) -> str:
    """The script, waiting for ``hook``.go when it comes to ``step``."""
    if step in CLIENT_STEPS:
        return text
    define = (_HOOK + _EACH).replace("@HOOK@", str(hook)).replace("@STEP@", step)
    place = _PLACES.get(step.partition(" ")[0], (_STEP, _STEP_HOOKED))
    return mutate(text, [place, (BEGINNING, f"{BEGINNING}{define}")])
