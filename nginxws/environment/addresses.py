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


def _spans(data: bytes, wanted: WantedFile) -> list[_Span]:
    if wanted.placeholder is not None:
        # Looking ahead finds those that overlap as well: of two, which one is meant can't be said.
        found = re.finditer(b"(?=(" + re.escape(wanted.placeholder) + b"))", data)
    else:
        assert wanted.pattern is not None, "one of both, as the model wants it"
        found = address_pattern(wanted.pattern).finditer(data)
    return [match.span(1) for match in found]


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
