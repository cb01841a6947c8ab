"""The proof that a change touched managed blocks only, made at run time before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from nginxws.config.blocks import ManagedBlock, find_blocks
from nginxws.config.document import Document, Span
from nginxws.errors import ConfigError, SpliceError

_BUG = "nothing was changed; please report this as a bug, with the file if you can"


def cut(data: bytes, spans: Sequence[Span]) -> bytes:
    """The bytes without some spans (in any order, overlaps allowed)."""
    kept: list[bytes] = []
    position = 0
    for span in sorted(spans, key=attrgetter("start")):
        if span.start > position:
            kept.append(data[position : span.start])
        position = max(position, span.end)
    kept.append(data[position:])
    return b"".join(kept)


def verify(
    before: Document,
    after: Document,
    *,
    taken: Sequence[Span] = (),
    known: Sequence[ManagedBlock] | None = None,
) -> list[ManagedBlock]:
    """Prove that ``after`` is ``before`` with other managed blocks, the ``taken`` spans of ``before`` gone.

    ``known`` are the blocks of ``before``, when they were looked up already; those of ``after`` come back.
    Raises SpliceError when a foreign byte differs or the markers of ``after`` don't pair up, ConfigError when
    those of ``before`` don't.
    """
    ours = find_blocks(before) if known is None else known
    foreign = cut(before.data, [*(block.span for block in ours), *taken])
    try:
        found = find_blocks(after)
    except ConfigError as error:
        message = f"the change would leave broken markers: {error.message}"
        raise SpliceError(message, hint=_BUG, file=before.name, line=error.line) from error
    kept = cut(after.data, [block.span for block in found])
    if foreign != kept:
        size = min(len(foreign), len(kept))
        at = next((i for i in range(size) if foreign[i] != kept[i]), size)
        message = (
            f"the change would alter bytes that aren't ours, near {foreign[max(at - 30, 0) : at + 30]!r}"
        )
        raise SpliceError(message, hint=_BUG, file=before.name)
    return found
