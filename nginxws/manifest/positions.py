"""On which line each key of a TOML text stands (TOML 1.0). Pure.

No TOML library for Python tells. The text must be valid: it is read by ``tomllib`` first, so nothing is
checked here again.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from nginxws.printable import one_line

#: A key's place in the document: names of tables and keys, numbers of array elements.
KeyPath = tuple[str | int, ...]

_BLANK = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\[\s\S]|[^\\])*?"{3,5}'
    r"|'''[\s\S]*?'{3,5}"
    r'|"(?:\\.|[^"\\])*"'
    r"|'[^']*'"
)
_PLAIN_VALUE = re.compile(r"[^,\]}#\r\n]+")


def dotted(path: KeyPath) -> str:
    """A key as people name it: ``routes[2].path``."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{one_line(part)}"
    return text


@dataclass(frozen=True, slots=True)
class Stretch:
    """Where something stands: offsets of its first character and just after its last."""

    start: int
    end: int


@dataclass
class Positions:
    """Where the keys, array elements and tables of a text stand.

    ``keys`` reach from the key to the end of its value, tables from their header to their last key;
    ``values`` are what stands behind an equals sign.
    """

    text: str
    keys: dict[KeyPath, Stretch] = field(default_factory=dict)
    values: dict[KeyPath, Stretch] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str) -> Positions:
        """Of a valid TOML text."""
        positions = cls(text)
        _Scanner(text, positions.keys, positions.values).run()
        return positions

    def line(self, path: KeyPath) -> int:
        """The line, from 1, of the key or of the nearest thing around it that has one."""
        while path and path not in self.keys:
            path = path[:-1]
        return bisect_right(self.line_starts, self.keys[path].start) if path else 1

    @cached_property
    def line_starts(self) -> list[int]:
        """The offset of every line's first character."""
        return [0, *(found.end() for found in re.finditer("\n", self.text))]


class _Scanner:
    def __init__(self, text: str, keys: dict[KeyPath, Stretch], values: dict[KeyPath, Stretch]) -> None:
        self.text = text
        self.keys = keys
        self.values = values
        self.at = 0
        self.counts: dict[KeyPath, int] = {}
        self.table: KeyPath = ()

    def run(self) -> None:
        self.blank()
        while self.at < len(self.text):
            start = self.at
            if self.text.startswith("[", start):
                self.header(start)
            else:
                self.pair(self.table)
                for size in range(len(self.table), 0, -1):
                    self.stretch(self.table[:size])
            self.blank()

    def stretch(self, path: KeyPath) -> None:
        """A table reaches as far as the last of its keys."""
        self.keys[path] = Stretch(self.keys[path].start, self.at)

    def header(self, start: int) -> None:
        array = self.text.startswith("[[", start)
        self.at += 2 if array else 1
        names = tuple(self.dotted())
        self.at += 2 if array else 1
        path: KeyPath = ()
        for number, name in enumerate(names):
            path = (*path, name)
            if array and number == len(names) - 1:
                self.counts[path] = self.counts.get(path, 0) + 1
            self.keys.setdefault(path, Stretch(start, self.at))
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
        self.table = path
        self.keys.setdefault(path, Stretch(start, self.at))

    def pair(self, table: KeyPath) -> None:
        """``key = value``; in an array of tables' own table or an inline one."""
        start = self.at
        path = table
        for name in self.dotted():
            path = (*path, name)
            self.keys.setdefault(path, Stretch(start, start))
        self.at += 1  # the "="
        self.blank()
        begin = self.at
        self.value(path)
        self.keys[path] = Stretch(start, self.at)
        self.values[path] = Stretch(begin, self.at)

    def dotted(self) -> Iterator[str]:
        while True:
            self.blank()
            found = _BARE_KEY.match(self.text, self.at)
            if found is None:
                found = _STRING.match(self.text, self.at)
                assert found is not None, "valid TOML"
                yield str(tomllib.loads(f"k={found[0]}")["k"])
            else:
                yield found[0]
            self.at = found.end()
            self.blank()
            if not self.text.startswith(".", self.at):
                return
            self.at += 1

    def value(self, path: KeyPath) -> None:
        opening = self.text[self.at]
        if opening == "[":
            self.array(path)
        elif opening == "{":
            self.inline_table(path)
        else:
            found = _STRING.match(self.text, self.at) or _PLAIN_VALUE.match(self.text, self.at)
            assert found is not None, "valid TOML"
            self.at += len(found[0].rstrip(" \t"))

    def array(self, path: KeyPath) -> None:
        self.at += 1
        number = 0
        while self.comma("]"):
            start = self.at
            self.value((*path, number))
            self.keys[(*path, number)] = Stretch(start, self.at)
            number += 1

    def inline_table(self, path: KeyPath) -> None:
        self.at += 1
        while self.comma("}"):
            self.pair(path)

    def comma(self, closing: str) -> bool:
        """Go on to the next element; False, and past ``closing``, at the end."""
        self.blank()
        if self.text.startswith(",", self.at):
            self.at += 1
            self.blank()
        if not self.text.startswith(closing, self.at):
            return True
        self.at += 1
        return False

    def blank(self) -> None:
        found = _BLANK.match(self.text, self.at)
        assert found is not None, "an empty match is one"
        self.at = found.end()
