"""What the last frame of a request that failed means: the error, its words, and the next step. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable

from nginxws.errors import (
    Interrupted,
    LockedError,
    NginxwsError,
    NodeError,
    Restored,
    RestoreFailed,
    StaleError,
)
from nginxws.nodes.session import Done
from nginxws.nodes.snapshot import refusal


def failure(node: str, done: Done, *, interrupted: bool = False, refused: str = "") -> NginxwsError:
    """The error that a last frame stands for.

    ``refused`` is why this side said no to what the node had ready; ``interrupted``
    says that somebody here asked for the way back.
    """
    if done.outcome == "refused":
        text = done.text.strip()
        return _REFUSED[done.code](node, text) if done.code in _REFUSED else refusal(node, done)
    if done.outcome in _HALF_DONE:
        message, hint = _HALF_DONE[done.outcome]
        words = done.text.strip() or None
        return RestoreFailed(message.format(_cause(done.code)), node=node, detail=words, hint=hint)
    if interrupted:
        return Interrupted("interrupted; the node is as it was", node=node, detail=refused or None)
    return _as_before(node, done, refused)


def _as_before(node: str, done: Done, refused: str) -> NginxwsError:
    """Nothing was changed, or everything is as it was."""
    words = (refused if done.code == "probe" else "") or done.text.strip() or None
    cause, hint = _cause(done.code), _HINTS.get(done.code)
    if done.outcome != "restored":
        return NodeError(f"{cause}; nothing was changed", node=node, detail=words, hint=hint)
    restored = Restored(f"{cause}; everything was restored", node=node, detail=words, hint=hint)
    restored.cause = done.code.partition("-")[0]  # what kind of a failed reload it was is for the hint
    return restored


def _cause(code: str) -> str:
    """A code word of the node, or the part of it before the dash, in words."""
    general = code.partition("-")[0]
    return _CAUSES.get(code) or _CAUSES.get(general) or f"the transaction failed at {code}"


def when(seconds: int) -> str:
    """A moment in seconds since the epoch, by the node's clock, which need not be ours; in UTC."""
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))


def holder(text: str) -> str:
    """Who holds the lock, since when, as which process: for people."""
    values = dict(line.partition(" ")[::2] for line in text.split("\n"))
    who = values.get("who") or "somebody"
    since = values.get("since", "")
    if since.isdigit():
        who += f", since {when(int(since))}"
    return f"{who} (process {values.get('pid', '?')} on the node)"


def _locked(node: str, text: str) -> NginxwsError:
    return LockedError(
        f"locked by {holder(text)}",
        node=node,
        hint="wait with --lock-timeout; `nginxws unlock --force` ends that process, which restores first",
    )


def _stale(node: str, text: str) -> NginxwsError:
    what = ", ".join(text.split("\n")) or "the configuration"
    return StaleError(
        f"changed since it was read: {what}; nothing was touched",
        node=node,
        hint="run the command again: it plans from what is there now",
    )


def _left_over(node: str, _text: str) -> NginxwsError:
    return StaleError(
        "an interrupted transaction must be undone first", node=node, hint="run `nginxws recover`"
    )


_REFUSED: dict[str, Callable[[str, str], NginxwsError]] = {
    "locked": _locked,
    "stale": _stale,
    "pending": _left_over,
}
#: Outcomes that need a human: message and hint.
_HALF_DONE = {
    "edited": (
        "{}, but somebody edited a file since, so nothing was put back",
        "`nginxws recover --accept` keeps what is there; or copy the old text back, then recover",
    ),
    "broken": (
        "{}, and the restore failed",
        "look at the node now; `nginxws recover` tries the restore again",
    ),
    "stopped": (
        "{}; the files are as they were, but NGINX is not running any more",
        "start it (and see why it stopped)",
    ),
}  # fmt: skip
_CAUSES = {
    "stage": "the new text could not be staged",
    "test": "NGINX refuses the new configuration",
    "checkpoint": "the undo could not be stored",
    "activate": "the new files could not be put in place",
    "reload": "NGINX did not take the new configuration over",
    "reload-denied": "this login user can't have NGINX reloaded",
    "probe": "the probe failed",
    "silence": "the node heard no word from here in time",
    "signal": "the node's script was told to stop",
    "commit": "the revision could not be stored",
    "protocol": "the node did not understand the answer",
    "recovery": "an interrupted transaction was found",
}
_HINTS = {
    "stage": "is the disk full or read-only, or does the login user need --sudo?",
    "checkpoint": "is the disk full? another place for the undo is --state-dir",
    "activate": "is the file system full or read-only, or does the login user need --sudo?",
    "test": "the text it refused is kept in the state directory, below rejected/",
    "reload": "is the state directory's disk full? another place is --state-dir",
    "reload-log": "the words above are NGINX's own; the old configuration serves on",
    "reload-silent": "NGINX logged nothing about it: does --reload-command reload this NGINX? a slow one "
    "needs a longer --reload-timeout",
    "reload-blind": "NGINX may say why, but its error log can't be read here: look at journalctl or syslog",
    "reload-command": "run that command on the node to see what it says; --reload-command names another one",
    "reload-denied": "name one that works: --reload-command 'sudo -n ...'; or become root with --sudo",
    "reload-gone": "--reload-command must name a command that reloads, never one that restarts or stops",
}
