"""What the last frame of a request about an application means: the error, its words, the next step. Pure."""

from __future__ import annotations

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
from nginxws.nodes import limits
from nginxws.nodes.endings import failure as balancer_failure
from nginxws.nodes.endings import holder
from nginxws.nodes.frames import Done


def failure(node: str, done: Done, *, interrupted: bool = False, refused: str = "") -> NginxwsError:
    """The error that a last frame stands for.

    ``refused`` is why this side said no to what the node had ready; ``interrupted`` says that somebody
    here asked for the way back.
    """
    text = done.text.strip()
    if done.outcome == "refused":
        if done.code in _OTHERS:
            return _OTHERS[done.code](node, text)
        if done.code in _REFUSALS:
            message, hint = _REFUSALS[done.code]
            return NodeError(message.format(text), node=node, hint=hint)
        return balancer_failure(node, done)  # an editor, the disk, the state directory: as there
    if done.outcome in _HALF_DONE:
        message, hint = _HALF_DONE[done.outcome]
        return RestoreFailed(message.format(_cause(done.code)), node=node, detail=text or None, hint=hint)
    if interrupted:
        return Interrupted("interrupted; the node is as it was", node=node, detail=refused or text or None)
    return _as_before(node, done, refused)


def _as_before(node: str, done: Done, refused: str) -> NginxwsError:
    """Nothing was changed, or everything is as it was."""
    text = done.text.strip()
    if done.code == "overtaken":
        return StaleError(
            f"somebody else changed {text.partition(chr(10))[0]} meanwhile: that stays, and nothing of ours",
            node=node,
            hint=_AGAIN,
        )
    words = "\n".join(filter(None, (refused if done.code == "probe" else "", text))) or None
    cause, hint = _cause(done.code), _HINTS.get(done.code)
    if done.outcome != "restored":
        return NodeError(f"{cause}; nothing was changed", node=node, detail=words, hint=hint)
    restored = Restored(f"{cause}; everything was restored", node=node, detail=words, hint=hint)
    restored.cause = done.code
    return restored


def _cause(code: str) -> str:
    return _CAUSES.get(code, f"the change failed at {code}")


def _locked(node: str, text: str) -> NginxwsError:
    return LockedError(
        f"locked by {holder(text)}",
        node=node,
        hint="wait with --lock-timeout; or end that process there (kill): it takes its change back first",
    )


def _stale(node: str, text: str) -> NginxwsError:
    return StaleError(
        f"changed since it was read: {text or 'the application'}; nothing was touched", node=node, hint=_AGAIN
    )


def _left_over(node: str, _text: str) -> NginxwsError:
    return StaleError(
        "an interrupted change must be undone first", node=node, hint="run the command again: it does that"
    )


_AGAIN = "run the command again: it plans from what is there now"
_OTHERS: dict[str, Callable[[str, str], NginxwsError]] = {
    "locked": _locked,
    "stale": _stale,
    "pending": _left_over,
}
_REFUSALS = {
    "no-service": (
        "there is no service {} (asked systemd, OpenRC and /etc/init.d)",
        "name the service as the node does, or say restart = COMMAND",
    ),
    "no-tar": ("there is no tar program", "install it there: an application is unpacked with it"),
    "unsafe-target": (
        "others than you and root could lead root astray in the target {}",
        "log in as the user that the folder belongs to (only `restart` may need sudo), or give the folder "
        "and those above it to root (ls -ld)",
    ),
    "elsewhere": (
        "an application of this name is deployed at {}, which isn't the target",
        "take that down first (with the manifest that deployed it), or give this application another name",
    ),
    "twice": (
        "{} is named twice, by different names of one file",
        "name the file once, with as many addresses as it has",
    ),
    "big": (
        f"too large: {{}} (a file may have {limits.EDITED // limits.MIB} MiB, an archive "
        f"{limits.ARCHIVE // limits.MIB} MiB)",
        "is it the file with the address? docs/reference/limits.md has the limits",
    ),
    "many": ("more than {} files are edited", "docs/reference/limits.md has the limits"),
    "unreadable": ("may not read {}", "this login user may not: try sudo, or another user"),
}
#: Outcomes that need a human: message and hint.
_HALF_DONE = {
    "edited": (
        "{}, but somebody edited a file since, so nothing was put back",
        "put the old text that is named above in place, then run the command again; or to keep what is "
        "there, remove the folder pending that it stands in",
    ),
    "broken": (
        "{}, and the restore failed",
        "mend what the words above name; the next command on this node tries the restore again",
    ),
    "stopped": (
        "{}; the files are as they were, but the application can't be restarted",
        "see above why, and start it by hand",
    ),
}
_CAUSES = {
    "stage": "the change could not be staged",
    "checkpoint": "the undo could not be stored",
    "activate": "the change could not be put in place",
    "restart": "the application could not be restarted",
    "probe": "the change was refused",
    "silence": "the node heard no word from here in time",
    "signal": "the node's script was told to stop",
    "commit": "the change could not be recorded",
    "protocol": "the node did not understand the answer",
    "overtaken": "somebody else changed a file meanwhile",
    "recovery": "an interrupted change was found",
}
_HINTS = {
    "stage": "is the disk full or read-only, or does the login user need sudo?",
    "checkpoint": "is the disk full? another place for the undo is state_dir",
    "activate": "is the file system full or read-only, or does the login user need sudo?",
    "restart": "the words above are those of the restart; try it on the node",
    "silence": "did this side hang, or the connection break? run the command again",
    "commit": "is the disk full or read-only? another place for the record is state_dir",
}
