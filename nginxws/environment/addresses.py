"""An application's WebSocket address in its files: found exactly once, and nothing else changed. Pure."""

from __future__ import annotations

import re

from nginxws.counting import count
from nginxws.environment.wanted import WantedFile
from nginxws.errors import NginxwsError
from nginxws.manifest.environment import address_pattern

#: Where an address stands: its first byte, and the one after its last.
_Span = tuple[int, int]
#: Lines that an error names.
_SHOWN = 5


def rewrite(data: bytes, wanted: WantedFile, name: str) -> bytes:
    """The file with the wanted address in it; the same bytes where it stands there already.

    Only the bytes of the pattern's group, or of the placeholder, are others. ``name`` is what errors call
    the file. Raises NginxwsError unless there is exactly one match.
    """
    spans = _spans(data, wanted)
    if len(spans) != 1:
        raise _not_one(data, spans, wanted, name)
    start, end = spans[0]
    if start < 0:
        raise NginxwsError(
            "the pattern matches, but without its group",
            file=name,
            hint="make the group one that every match has: not in an alternative, nor optional",
        )
    value = wanted.value.encode()
    new = data[:start] + value + data[end:]
    assert (new[:start], new[start + len(value) :]) == (data[:start], data[end:]), "only the address changes"
    return new


def address_in(data: bytes, wanted: WantedFile) -> bytes | None:
    """The address that stands in a file, None where it can't be told."""
    spans = _spans(data, wanted) if wanted.placeholder is None else _places(data, wanted.value.encode())
    if len(spans) != 1 or spans[0][0] < 0:
        return None
    start, end = spans[0]
    return data[start:end]


def taken_out(data: bytes, original: bytes, wanted: WantedFile) -> bytes | None:
    """A file that somebody edited after us, with the text of ``original`` where our address stands.

    The same bytes where the original's text stands there again. None where that can't be told: our address
    has to stand there once, and nothing of it in the original.
    """
    value = wanted.value.encode()
    theirs = _spans(original, wanted)
    if len(theirs) != 1 or theirs[0][0] < 0:
        return None
    old = original[slice(*theirs[0])]
    if wanted.placeholder is None:
        ours = _spans(data, wanted)
    else:
        ours = [] if value in original else [*_places(data, value), *_spans(data, wanted)]
    if len(ours) != 1 or data[slice(*ours[0])] not in (value, old):
        return None
    start, end = ours[0]
    return data[:start] + old + data[end:]


def _spans(data: bytes, wanted: WantedFile) -> list[_Span]:
    if wanted.placeholder is not None:
        return _places(data, wanted.placeholder)
    assert wanted.pattern is not None, "one of both, as the model wants it"
    return [match.span(1) for match in address_pattern(wanted.pattern).finditer(data)]


def _places(data: bytes, text: bytes) -> list[_Span]:
    # Looking ahead finds those that overlap as well: of two, which one is meant can't be said.
    return [match.span(1) for match in re.finditer(b"(?=(" + re.escape(text) + b"))", data)]


def _not_one(data: bytes, spans: list[_Span], wanted: WantedFile, name: str) -> NginxwsError:
    what = "pattern" if wanted.placeholder is None else "placeholder"
    if spans:
        lines = [str(_line(data, start)) for start, _end in spans[:_SHOWN]]
        more = " …" if len(spans) > _SHOWN else ""
        where = f"line{'s' if len(spans) > 1 else ''} {', '.join(lines)}{more}"
        return NginxwsError(
            f"the {what} matches {count(len(spans), 'time')} ({where}), not exactly once",
            file=name,
            hint=f"make the {what} longer, so that it fits one of them only",
        )
    at = data.find(wanted.value.encode())
    if at >= 0:
        said = f"{wanted.value} stands there already, in line {_line(data, at)}: a pattern would find it"
    else:
        said = "compare it with the file's own text; in a pattern, characters like . ? ( need a backslash"
    return NginxwsError(f"the {what} doesn't match anything in the file", file=name, hint=said)


def _line(data: bytes, offset: int) -> int:
    """The line, from 1, that a byte stands in."""
    return data.count(b"\n", 0, max(offset, 0)) + 1
