"""How much a node may say and how long it may take: every bound of this side, in one place.

A node is trusted with its own state and with nothing here. These limits are what keeps a broken or a
malicious one from hanging or exhausting the client; they are chosen so that no real node meets them.
docs/reference/limits.md lists them. How the files are parsed is bounded in ``config/tree.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

MIB = 1024 * 1024

NOISE = 64 * 1024
"""Bytes that a login shell's profile may print before the node script answers."""

LINE = 64
"""Bytes of a frame's first line."""

CONFIGURATION = 64 * MIB
"""Bytes of all configuration files of a node together. The node script refuses more before it sends any."""

STORED = 4 * CONFIGURATION
"""Bytes of all stored files that one look at a node's revisions may take."""

FILES = 20_000
"""Files that one configuration may consist of. The node script refuses more before it sends any."""

FRAME = 8 * MIB
"""Bytes of any other frame: lists of names, checksums, NGINX's words."""

REQUEST = CONFIGURATION + 32 * MIB
"""Bytes of all frames that answer one request."""

FRAMES = 10_000
"""Frames that answer one request, besides two a second for the time that it may take."""

EDITED = 4 * MIB
"""Bytes of a file in which the address of an application is edited. The node's script refuses larger ones."""

APP_FILES = 100
"""Files of one application that are edited on its node. The node's script refuses more."""

ARCHIVE = 320 * MIB
"""Bytes of an application's archive: its files, a head for each. The node's script refuses a larger one."""

READS = 1_000
"""Further requests for files that one snapshot may take where ``nginx -T`` can't list them."""

WORDS = 64 * 1024
"""Characters of a program's words (NGINX's, a command's) that are kept; the rest is cut, which is said."""

PROCESSES = 65_536
"""Worker processes, and listening sockets, of one node."""

PATH = 4096
"""Bytes of a path: PATH_MAX of Linux."""

GREETING = 15.0
"""Seconds until the node script's first word: a login profile that reads our input would wait for ever."""

SILENCE = 60.0
"""Seconds without a byte from the node before it is given up. While it waits it says so every second."""

WORKING = 180.0
"""The same while it changes or restores something: one test, one flush to a slow disk."""

WORK = 300.0
"""Seconds that one request may take besides the waiting that it asks for by its own timeouts."""

RELOADS = 12
"""Times the reload timeout that a request may take besides: four commands, the proof, the same on the way
back, and as much again."""

RESTARTS = 6
"""Times the restart timeout that a change of an application may take besides: one, the same again by sudo,
both on the way back, and as much again."""

PROGRAMS = 4
"""Times the patience that an installation may take: lists, packages, the service enabled and started."""

STALL = 60.0
"""Seconds in which a node takes nothing of what it is sent before it is given up."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one request may cost: ``seconds`` of waiting for the node, ``size`` in bytes, ``frames``."""

    seconds: float
    size: int = REQUEST
    frames: int = FRAMES


def allowance(word: str, parameters: Mapping[str, str]) -> Allowance:
    """What a request with these parameters may cost, by the timeouts that it carries (in seconds)."""
    seconds = WORK
    size = REQUEST + CONFIGURATION if word == "show" else REQUEST  # a file twice: before, and after
    if word not in ("snapshot", "read", "history", "show", "app-look"):
        lock, reload, confirm, restart = (
            float(parameters.get(f"{name}-timeout", "0")) for name in ("lock", "reload", "confirm", "restart")
        )
        seconds += lock + RELOADS * reload + confirm + RESTARTS * restart
        seconds += PROGRAMS * float(parameters.get("patience", "0"))
    return Allowance(seconds, size, frames=FRAMES + int(2 * seconds))
