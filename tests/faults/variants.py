"""Node scripts made from the shipped one by replacement: stopping at a step, or broken on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

#: Every place where a change can be stopped: the node's steps, and the client's probe.
STEPS = (
    "lock", "stage", "test", "checkpoint", "activate", "reload",
    "prove", "ready", "probe", "commit", "restore",
)  # fmt: skip
#: The word for commit is out only in the last of these.
BEFORE_THE_WORD = tuple(step for step in STEPS if step != "commit")

_HOOK = """
hook() {
  echo $$ >"@HOOK@.tmp"; mv "@HOOK@.tmp" "@HOOK@.reached"
  hooked=0
  while [ ! -e "@HOOK@.go" ] && [ "$hooked" -lt 3000 ]; do sleep 0.005; hooked=$((hooked + 1)); done
}
"""

#: One replacement in the node script: what must be there, and what to put in its place.
Mutation = tuple[str, str]


def mutate(text: str, mutations: Sequence[Mutation]) -> str:
    """The script with these replacements; each must fit exactly once."""
    for old, new in mutations:
        assert text.count(old) == 1, f"{text.count(old)} places for {old!r}"
        text = text.replace(old, new)
    return text


def stopping_at(text: str, step: str, hook: Path) -> str:
    """The script, waiting for ``hook``.go when it comes to ``step``."""
    if step == "probe":
        return text  # the client stops, not the script
    define = _HOOK.replace("@HOOK@", str(hook))
    if step == "ready":
        return mutate(text, [("  emit ready", "  hook; emit ready"), ("\nset -u\n", f"\nset -u\n{define}")])
    plain = 'step() { emit step "$1${2:+ $2}"; }'
    stopping = f'step() {{ emit step "$1${{2:+ $2}}"; if [ "$1" = {step} ]; then hook; fi; }}{define}'
    return mutate(text, [(plain, stopping)])
