"""What the last frame of a request that failed means: the error, its words, and the next step. Pure."""

from __future__ import annotations

import time
from collections.abc import Callable

from nginxws.counting import count, span
from nginxws.errors import (
    Interrupted,
    LockedError,
    NginxwsError,
    NodeError,
    Restored,
    RestoreFailed,
    StaleError,
)
from nginxws.nodes.frames import Done, number
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
    said = (refused if done.code == "probe" else "", done.text.strip())
    words = "\n".join(filter(None, said)) or None
    if done.code == "overtaken":
        return _overtaken(node, done.text)
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
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):  # no clock says that
        return "an unknown moment"


def holder(text: str) -> str:
    """Who holds the lock, since when, as which process: for people."""
    values = dict(line.partition(" ")[::2] for line in text.split("\n"))
    who = values.get("who") or "somebody"
    since = number(values.get("since", ""))
    if since is not None:
        who += f", since {when(since)}"
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


def _overtaken(node: str, text: str) -> NginxwsError:
    return StaleError(
        f"somebody else wrote {text.strip()} meanwhile: that stays, and nothing of this change",
        node=node,
        hint="run the command again: it plans from what is there now",
    )


def _left_over(node: str, _text: str) -> NginxwsError:
    return StaleError(
        "an interrupted transaction must be undone first", node=node, hint="run `nginxws recover`"
    )


def _certbot(node: str, text: str) -> NginxwsError:
    pid, _, lock = text.partition("\n")
    return LockedError(
        f"certbot is at work on this NGINX (process {pid} on the node holds {lock})",
        node=node,
        hint="wait with --lock-timeout; if that process hangs, end it",
    )


def _editor(node: str, text: str) -> NginxwsError:
    pid, mark, who = (*text.split("\n"), "", "")[:3]
    return LockedError(
        f"{who or 'somebody'} has the file open in an editor (process {pid}, by {mark})",
        node=node,
        hint="close it there, or wait with --lock-timeout; --ignore-editors goes on: then that editor must "
        "read the file anew before it writes. If nobody edits, remove that file",
    )


def _draining(node: str, text: str) -> NginxwsError:
    words = [number(word) or 0 for word in (*text.split(), "", "", "")]
    return NodeError(
        f"{drainers(*words[:3])}: --max-draining allows no more; nothing was changed",
        node=node,
        hint="wait until their sockets close, or raise --max-draining; `worker_shutdown_timeout` in the "
        "node's configuration limits it for workers that are started from then on",
    )


def drainers(generations: int, workers: int, oldest: int) -> str:
    """What is left of earlier reloads: for people. ``oldest`` is in seconds."""
    verb = "drains" if workers == 1 else "drain"
    return (
        f"{count(workers, 'old worker')} of {count(generations, 'generation')} still {verb} "
        f"(the oldest was started {span(oldest)} ago)"
    )


_REFUSED: dict[str, Callable[[str, str], NginxwsError]] = {
    "locked": _locked,
    "stale": _stale,
    "pending": _left_over,
    "certbot": _certbot,
    "editor": _editor,
    "draining": _draining,
}
#: Outcomes that need a human: message and hint.
_HALF_DONE = {
    "edited": (
        "{}, but somebody edited a file since, so nothing was put back",
        "`nginxws recover --accept` keeps what is there; or copy the old text back, then recover",
    ),
    "broken": (
        "{}, and the restore failed",
        "mend what the words above name; the next command on this node tries the restore again, "
        "or `nginxws recover` does",
    ),
    "stopped": (
        "{}; the files are as they were, but NGINX is not running any more",
        "see why it stopped, and start it; worker processes that it left may still serve and hold its "
        "ports: end those first",
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
    "gone": "NGINX's master process ended",
    "protocol": "the node did not understand the answer",
    "overtaken": "somebody else wrote a file meanwhile",
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
    "gone": "see in its error log why, and start it again",
    "reload-died": "see in its error log why, and start it again",
    "commit": "is the disk full or read-only? another place for revisions is --state-dir",
    "reload-gone": "--reload-command must name a command that reloads, never one that restarts or stops",
}
