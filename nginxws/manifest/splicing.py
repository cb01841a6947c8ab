"""Lines and values of a manifest's text, put in and taken out; what isn't touched stays to the byte. Pure.

tomlkit writes values, and edits arrays so that the comments in them stay. Nothing is checked here: the
caller reads the new text and compares.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import tomlkit
from tomlkit.items import Array

from nginxws.manifest.positions import KeyPath, Positions, Stretch


def appended(text: str, values: Mapping[str, Any]) -> str:
    """A new ``[[routes]]`` after the last one; at the end of the file when there is none."""
    newline = _newline(text)
    lines = "".join(f"{line}{newline}" for line in ("[[routes]]", *_pairs(values)))
    at = _end_of_routes(text)
    before, after = text[:at], text[at:]
    if before and not before.endswith("\n"):  # then it has no final line end afterwards either
        before, lines = before + newline, lines.removesuffix(newline)
    gap = newline if before.strip() else ""  # always one: `without` takes it out again
    return before + gap + lines + after


def changed(text: str, number: int, values: Mapping[str, Any]) -> str:
    """Keys of a route's entry set: in their place, or after the others of the entry."""
    for key, value in values.items():
        text = _with_key(text, ("routes", number), key, value)
    return text


def without(text: str, number: int) -> str:
    """A route's lines taken out, with one empty line: comments around it may be about others, and stay."""
    stretch = Positions.of(text).keys["routes", number]
    start, end = _line_start(text, stretch.start), _line_end(text, stretch.end)
    if end == len(text) and not text.endswith("\n"):
        return text[:start].removesuffix(_newline(text)).removesuffix(_newline(text))
    for empty in ("\r\n", "\n"):
        if not text[:start].strip() and text.startswith(empty, end):
            return text[:start] + text[end + len(empty) :]
        if text[:start].endswith(("\n" + empty, "\r\n" + empty)):
            return text[: start - len(empty)] + text[end:]
    return text[:start] + text[end:]


def _with_key(text: str, entry: KeyPath, key: str, value: Any) -> str:
    old = Positions.of(text).values.get((*entry, key))
    if old is not None:
        return text[: old.start] + _rewritten(text[old.start : old.end], value) + text[old.end :]
    text = _without_key(text, (*entry, key))
    last = _last_pair(text, entry)
    indent = text[_line_start(text, last.start) : last.start]
    at = _line_end(text, last.end)
    before = text[:at] if text[:at].endswith("\n") else text[:at] + _newline(text)
    return before + indent + _pairs({key: value})[0] + _newline(text) + text[at:]


def _last_pair(text: str, entry: KeyPath) -> Stretch:
    """The last of the entry's own ``key = value``: those after the header of a table in it are that one's."""
    positions = Positions.of(text)
    inside = [(path, one) for path, one in positions.keys.items() if path[:2] == entry and len(path) > 2]
    tables = [one.start for _path, one in inside if text.startswith("[", one.start)]
    end = min(tables, default=len(text))
    return max((one for path, one in inside if path in positions.values and one.start < end), key=_end)


def _without_key(text: str, path: KeyPath) -> str:
    """Without the lines of a key that is written as a table of its own, or as dotted keys."""
    positions = Positions.of(text)
    table = positions.keys.get(path)
    if table is None:
        return text
    lines = [table] if text.startswith("[", table.start) else []
    lines = lines or [one for key, one in positions.keys.items() if key[:-1] == path]
    for one in sorted(lines, key=_end, reverse=True):
        text = text[: _line_start(text, one.start)] + text[_line_end(text, one.end) :]
    return text


def _rewritten(old: str, value: Any) -> str:
    """A value's text; what stays of an array keeps its place, its spelling and its comments."""
    fresh: str = tomlkit.item(value).as_string()
    document = tomlkit.parse(f"x = {old}")
    array = document["x"]
    if not isinstance(value, list) or not isinstance(array, Array):
        return fresh
    _edit(array, value)
    newline = _newline(old)
    edited = document.as_string().removeprefix("x = ").replace("\r\n", "\n").replace("\n", newline)
    return edited if _reads(edited) == value else fresh


def _edit(array: Array, value: Sequence[str]) -> None:
    """Make the array hold these texts, by as few changes as there need be."""
    steps = SequenceMatcher(None, array.unwrap(), value, autojunk=False).get_opcodes()
    for _tag, begin, end, first, last in reversed(steps):
        if _tag == "equal":
            continue
        kept = min(end - begin, last - first)
        for number in range(end - 1, begin + kept - 1, -1):
            del array[number]
        for number in range(kept):
            array[begin + number] = value[first + number]
        for number in range(kept, last - first):
            array.insert(begin + number, value[first + number])


def _reads(text: str) -> Any:
    try:
        return tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        return None


def _pairs(values: Mapping[str, Any]) -> list[str]:
    return [f"{key} = {tomlkit.item(value).as_string()}" for key, value in values.items()]


def _end_of_routes(text: str) -> int:
    """Where the last entry's last line ends."""
    keys = Positions.of(text).keys
    ends = [one.end for path, one in keys.items() if path[:1] == ("routes",) and len(path) == 2]
    return _line_end(text, max(ends)) if ends else len(text)


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _end(stretch: Stretch) -> int:
    return stretch.end


def _line_start(text: str, offset: int) -> int:
    return text.rfind("\n", 0, offset) + 1


def _line_end(text: str, offset: int) -> int:
    return text.find("\n", offset) + 1 or len(text)
