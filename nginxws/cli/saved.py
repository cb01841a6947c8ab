"""Plan files on this machine: written for review, and compared with before they are carried out."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from nginxws import __version__
from nginxws.cli.desired import Desired, Seen
from nginxws.cli.manifest_file import ManifestFile
from nginxws.cli.targets import who_am_i
from nginxws.deploy import NodeOutcome
from nginxws.errors import NginxwsError, StaleError
from nginxws.planfile import MAX_SIZE, PlanFile, PlannedNode, from_json, planned_node, refuse_stale, stale
from nginxws.report.plans import nodes_json
from nginxws.snapshot import Snapshot

_ANEW = "nothing was touched; make a new plan with `nginxws plan --out FILE`"


def save(desired: Desired, seen: Sequence[Seen]) -> PlanFile:
    """What was planned, as a plan file holds it."""
    return PlanFile(
        created=datetime.now(UTC),
        created_by=who_am_i(),
        program=__version__,
        manifest=desired.file.planned_digest,
        options=desired.flags.as_dict(),
        nodes={one.link.name: _planned(one) for one in seen},
        report=nodes_json([one.outcome for one in seen]),
    )


def _planned(one: Seen) -> PlannedNode:
    if one.outcome.plan is None:
        return PlannedNode("", {}, {}, str(one.outcome.error))
    return planned_node(one.nginx, one.outcome.plan)


def _found(one: Seen, now: Snapshot) -> PlannedNode:
    """What is there now, and what would become of it where that can be planned."""
    files = {file.real: file.sha256 for file in now.files}
    return replace(_planned(one), nginx=one.nginx, before=files)


def write(path: Path, saved: PlanFile) -> None:
    """Write a plan file at once, for its owner's eyes only: the diff may hold what isn't for everybody's.

    Raises NginxwsError.
    """
    data = saved.to_json().encode()
    try:
        if path.exists() and not path.is_file():  # a pipe, or /dev/stdout
            path.write_bytes(data)
            return
        target = path.resolve()
        handle, name = tempfile.mkstemp(prefix=".nginxws-", dir=target.parent)  # its mode is 0600
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise NginxwsError(
            f"cannot write the plan: {error.strerror}",
            file=str(path),
            hint="may you write to this folder, and is there space on the disk?",
        ) from error


def read(path: Path) -> PlanFile:
    """Read a plan file. Raises NginxwsError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(MAX_SIZE + 1)
    except OSError as error:
        raise NginxwsError(
            f"cannot read the plan: {error.strerror}", file=str(path), hint="is it the right file?"
        ) from error
    if len(data) > MAX_SIZE:
        raise NginxwsError("too long for a plan", file=str(path), hint="is it the right file?")
    return from_json(data.decode("utf-8", "replace"), str(path))


def nodes_of(saved: PlanFile, name: str, file: ManifestFile, max_age: int) -> list[str]:
    """The nodes that the plan is for, in the manifest's order.

    Raises StaleError when its time, ``max_age`` seconds, is over, or it was made from another manifest.
    """
    now = datetime.now(UTC)
    if why := saved.expired(now, timedelta(seconds=max_age)):
        more = ", or allow more with --max-age" if saved.created < now else ""
        raise StaleError(why, file=name, hint=f"{_ANEW}{more}")
    if saved.manifest != file.planned_digest:
        more = "" if file.joined is None else ", or what the inventory or variables say of its nodes,"
        raise StaleError(
            f"the manifest{more} isn't the one that the plan was made from", file=file.name, hint=_ANEW
        )
    strangers = [node for node in saved.nodes if node not in file.manifest.nodes]
    if strangers or not saved.nodes:
        what = f"{strangers[0]} isn't a node of the manifest" if strangers else "it is for no node"
        raise StaleError(what, file=name, hint=_ANEW)
    return [node for node in file.manifest.nodes if node in saved.nodes]


def compared(saved: PlanFile, one: Seen) -> NodeOutcome:
    """The node's outcome, with an error when what would be done isn't what was planned."""
    outcome = one.outcome
    if one.now is None:
        return outcome
    try:
        if one.now.pending is not None:
            refuse_stale(outcome.node, [f"a change by {one.now.pending.who} was cut short here meanwhile"])
        refuse_stale(outcome.node, stale(saved.nodes[outcome.node], _found(one, one.now)))
    except StaleError as error:
        return replace(outcome, error=error)
    return outcome
