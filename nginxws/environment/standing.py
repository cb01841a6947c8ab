"""How an application's files stand: the address in each, and whether somebody edited it after us. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from nginxws.environment.addresses import address_in, rewrite
from nginxws.environment.archive import Entry
from nginxws.environment.plan import AppPlan, AppSnapshot
from nginxws.environment.wanted import WantedApp, WantedFile


@dataclass(frozen=True, slots=True)
class FileStanding:
    """A file in which an address is to stand: its path on the node, and the address that does.

    ``address`` is None where there is none, or it can't be told. ``edited``: somebody edited the file after
    nginxws wrote it.
    """

    path: str
    address: str | None
    edited: bool


def stand(
    wanted: WantedApp, now: AppSnapshot, plan: AppPlan | None, entries: Sequence[Entry] | None
) -> tuple[FileStanding, ...]:
    """Each file of the application that was looked at; ``plan`` and ``entries`` are as in `make_app_plan`."""
    return tuple(_standing(wanted, now, plan, entries or ()))


def _standing(
    wanted: WantedApp, now: AppSnapshot, plan: AppPlan | None, entries: Sequence[Entry]
) -> Iterator[FileStanding]:
    states = {state.path: state for state in now.files}
    for file in wanted.files:
        state = states.get(file.on_node)
        if state is None or state.data is None:
            continue
        edited = bool(state.edited)
        if file.in_source and plan is not None and plan.release is None:  # else it is of another source
            edited = state.data != _sent(file, entries)
        found = address_in(state.data, file)
        address = None if found is None else found.decode(errors="replace")
        yield FileStanding(file.on_node, address, edited)


def _sent(file: WantedFile, entries: Sequence[Entry]) -> bytes:
    """The file as it was sent."""
    (data,) = (entry.data for entry in entries if entry.path == file.file)
    return rewrite(data, file, file.file)
