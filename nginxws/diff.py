"""Unified diffs of known edits, in time linear in the file.

``difflib`` alone is quadratic on configurations of many like lines; the edits
are known here, so it only ever compares the lines that an edit touches. Where
they aren't, `edits_between` finds some.
"""

from __future__ import annotations

import difflib
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from nginxws.config.splice import Edit, apply_edits

Opcode = tuple[str, int, int, int, int]

#: Lines of one change up to which unchanged lines inside it are looked for.
_REFINE = 400
_QUOTED = re.compile(rb'[\x00-\x1f\x7f"\\]')


@dataclass(slots=True)
class _Change:
    """Whole lines ``first`` to ``end`` (exclusive), and the edits that fall into them."""

    first: int
    end: int
    edits: list[Edit]


def unified(before: bytes, edits: Sequence[Edit], path: str, *, context: int = 3) -> str:
    """What ``edits`` do to ``before``, as ``diff -u`` prints it; empty if they do nothing.

    ``edits`` are ascending and don't overlap. Bytes that aren't UTF-8 come out as surrogates.
    """
    old = _lines(before)
    starts = [0, *accumulate(len(line) for line in old)]
    new: list[bytes] = []
    opcodes: list[Opcode] = []
    position = 0
    for change in _changes(before, starts, edits):
        opcodes.append(("equal", position, change.first, len(new), len(new) + change.first - position))
        new += old[position : change.first]
        replacement = _replacement(before, starts, change)
        opcodes += _refined(old[change.first : change.end], replacement, change.first, len(new))
        new += replacement
        position = change.end
    opcodes.append(("equal", position, len(old), len(new), len(new) + len(old) - position))
    new += old[position:]
    opcodes = list(_joined(code for code in opcodes if code[1] < code[2] or code[3] < code[4]))
    return b"".join(_diff(old, new, opcodes, path, context)).decode("utf-8", "surrogateescape")


def edits_between(before: bytes, after: bytes) -> list[Edit]:
    """Edits that make ``after`` of ``before``, by whole lines: for `unified`, where none are known.

    Lines that each text has once, and in the same order, hold them together; what lies between is compared
    line by line. So it takes time in proportion, however many lines are alike.
    """
    old, new = _lines(before), _lines(after)
    starts = [0, *accumulate(map(len, old))]
    edits = []
    i = j = 0
    for next_i, next_j in [*_held(old, new), (len(old), len(new))]:
        head, tail = _alike(old[i:next_i], new[j:next_j])
        stretch = old[i + head : next_i - tail], new[j + head : next_j - tail]
        for tag, i1, i2, j1, j2 in _refined(*stretch, i + head, j + head):
            if tag != "equal" and (i1 < i2 or j1 < j2):
                edits.append(Edit(starts[i1], starts[i2], b"".join(new[j1:j2])))
        i, j = next_i + 1, next_j + 1
    return edits


def _alike(old: list[bytes], new: list[bytes]) -> tuple[int, int]:
    """How many lines are the same at the head and, of the rest, at the tail."""
    size = min(len(old), len(new))
    head = next((at for at in range(size) if old[at] != new[at]), size)
    size -= head
    return head, next((at for at in range(size) if old[-1 - at] != new[-1 - at]), size)


def _held(old: list[bytes], new: list[bytes]) -> list[tuple[int, int]]:
    """The lines that both have once, by their places: the longest such list in which both ascend."""
    ours, theirs = Counter(old), Counter(new)
    where = {line: place for place, line in enumerate(new) if theirs[line] == 1 == ours[line]}
    pairs = [(place, where[line]) for place, line in enumerate(old) if line in where]
    # Longest increasing subsequence, by the least last place for each length (Fredman 1975).
    ends: list[int] = []
    chains: list[int] = []
    before: list[int | None] = []
    for number, (_, place) in enumerate(pairs):
        length = bisect_left(ends, place)
        ends[length : length + 1] = [place]
        chains[length : length + 1] = [number]
        before.append(chains[length - 1] if length else None)
    found: list[tuple[int, int]] = []
    last = chains[-1] if chains else None
    while last is not None:
        found.append(pairs[last])
        last = before[last]
    return found[::-1]


def _diff(
    old: list[bytes], new: list[bytes], opcodes: list[Opcode], path: str, context: int
) -> Iterator[bytes]:
    if all(code[0] == "equal" for code in opcodes):
        return
    matcher: difflib.SequenceMatcher[bytes] = difflib.SequenceMatcher(None, [], [])
    matcher.opcodes = opcodes  # type: ignore[attr-defined]  # typeshed doesn't know it; get_opcodes() returns it
    name = path.lstrip("/").encode("utf-8", "surrogateescape")
    yield b"--- " + _spelled(b"a/" + name) + b"\n"
    yield b"+++ " + _spelled(b"b/" + name) + b"\n"
    for group in matcher.get_grouped_opcodes(context):
        yield from _hunk(old, new, group)


def _spelled(name: bytes) -> bytes:
    """A name as diff and git write it: patch(1) ends a bare one at white space, and reads C's quotes."""
    if _QUOTED.search(name) or name.endswith(b" "):
        return b'"' + _QUOTED.sub(lambda match: b"\\%03o" % match[0][0], name) + b'"'
    return name + b"\t" if b" " in name else name


def _lines(data: bytes) -> list[bytes]:
    """Lines with their LF; CR alone ends no line, as in NGINX and diff."""
    lines = data.split(b"\n")
    last = lines.pop()
    return [line + b"\n" for line in lines] + ([last] if last else [])


def _changes(before: bytes, starts: list[int], edits: Sequence[Edit]) -> list[_Change]:
    """The lines that the edits touch; edits that share a line are one change."""
    changes: list[_Change] = []
    for edit in _apart(edits):
        first, end = _touched(before, starts, edit)
        if changes and (first < changes[-1].end or first == changes[-1].first):
            changes[-1].end = max(end, changes[-1].end)
            changes[-1].edits.append(edit)
        else:
            changes.append(_Change(first, end, [edit]))
    return changes


def _apart(edits: Sequence[Edit]) -> list[Edit]:
    """Edits that touch each other made into one: alone, neither would say how the line between them ends."""
    apart: list[Edit] = []
    for edit in edits:
        if apart and apart[-1].end == edit.start:
            last = apart.pop()
            edit = Edit(last.start, edit.end, last.text + edit.text)
        apart.append(edit)
    return apart


def _touched(before: bytes, starts: list[int], edit: Edit) -> tuple[int, int]:
    """The whole lines that an edit changes: the first, and the one after the last."""
    count = len(starts) - 1
    first = bisect_right(starts, edit.start) - 1
    if first == count and before and not before.endswith(b"\n"):
        first -= 1  # what is added to a last line without newline changes that line
    at_start = edit.start == starts[first]
    after = bisect_right(starts, edit.end) - 1
    # Where the new text doesn't end its line, it joins the line that follows.
    ends_line = edit.text.endswith(b"\n") or (at_start and not edit.text)
    if not ends_line or edit.end != starts[after]:
        after = min(after + 1, count)
    return first, after if at_start else max(after, first + 1)


def _replacement(before: bytes, starts: list[int], change: _Change) -> list[bytes]:
    base = starts[change.first]
    piece = before[base : starts[change.end]]
    return _lines(
        apply_edits(piece, [Edit(edit.start - base, edit.end - base, edit.text) for edit in change.edits])
    )


def _refined(old: list[bytes], new: list[bytes], i: int, j: int) -> Iterator[Opcode]:
    """The opcodes of one change, placed at line ``i`` of the old text and ``j`` of the new."""
    if not old or not new or len(old) > _REFINE or len(new) > _REFINE:
        tag = "replace" if old and new else "insert" if new else "delete"
        yield tag, i, i + len(old), j, j + len(new)
        return
    for tag, a1, a2, b1, b2 in difflib.SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        yield tag, a1 + i, a2 + i, b1 + j, b2 + j


def _joined(opcodes: Iterable[Opcode]) -> Iterator[Opcode]:
    """Neighbouring equal stretches as one: get_grouped_opcodes makes a hunk without changes of two."""
    last: Opcode | None = None
    for code in opcodes:
        if last is not None and last[0] == code[0] == "equal":
            last = ("equal", last[1], code[2], last[3], code[4])
            continue
        if last is not None:
            yield last
        last = code
    if last is not None:
        yield last


def _hunk(old: list[bytes], new: list[bytes], group: Sequence[Opcode]) -> Iterator[bytes]:
    first, last = group[0], group[-1]
    yield f"@@ -{_range(first[1], last[2])} +{_range(first[3], last[4])} @@\n".encode()
    for tag, i1, i2, j1, j2 in group:
        if tag == "equal":
            yield from (_marked(b" ", line) for line in old[i1:i2])
            continue
        yield from (_marked(b"-", line) for line in old[i1:i2])
        yield from (_marked(b"+", line) for line in new[j1:j2])


def _marked(sign: bytes, line: bytes) -> bytes:
    return sign + line if line.endswith(b"\n") else sign + line + b"\n\\ No newline at end of file\n"


def _range(start: int, stop: int) -> str:
    length = stop - start
    if length == 1:
        return str(start + 1)
    return f"{start if length == 0 else start + 1},{length}"
