"""A page that walks through something: its files, commands and pictures, in their order."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_PART = re.compile(r"^```(?P<kind>\w+)\n(?P<text>.*?)^```|^!\[[^\]]+\]\((?P<picture>[^)]+)\)", re.M | re.S)
_NAMED = re.compile(r"(?:#!.*\n)?# (/\S+)")
_LEFT_OUT = "..."


@dataclass(frozen=True, slots=True)
class File:
    """A file that the page says somebody has: its first comment names it."""

    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines that come to the end of a file: the manifest grows through the page."""

    text: str


@dataclass(frozen=True, slots=True)
class Command:
    """What is typed at the prompt, and what the page shows for it."""

    line: str
    shown: str


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be seen at this point, by the name of the picture's file."""

    name: str


Step = File | Lines | Command | Picture


def steps(page: str) -> Iterator[Step]:
    """The page's steps. Its blocks are ``nginx`` and ``sh`` (files), ``toml`` and ``console``; no others."""
    for part in _PART.finditer(page):
        kind, text = part["kind"], part["text"]
        if kind is None:
            yield Picture(part["picture"].rpartition("/")[2])
        elif kind == "console":
            yield from _commands(text)
        elif kind == "toml":
            yield Lines(text)
        else:
            assert kind in ("nginx", "sh"), f"a block of {kind} isn't a step"
            named = _NAMED.match(text)
            assert named is not None, f"no file is named at the top of {text!r}"
            yield File(named[1], text)


def _commands(text: str) -> Iterator[Command]:
    assert text.startswith("$ "), f"output of no command: {text!r}"
    for one in re.split(r"^\$ ", text, flags=re.M)[1:]:
        line, _, shown = one.partition("\n")
        yield Command(line, shown)


def replaced(text: str, words: Mapping[str, str]) -> str:
    """The text with each word in place of another, the first that fits."""
    return re.sub("|".join(map(re.escape, words)), lambda found: words[found[0]], text)


def missing(shown: str, said: str) -> str:
    """Both, if what the page shows isn't what was said, else nothing; ``...`` stands for any lines."""
    parts = [re.escape(part) for part in re.split(rf"^{re.escape(_LEFT_OUT)}\n", shown, flags=re.M)]
    if re.fullmatch(r"(?:.*\n)*?".join(parts), said):
        return ""
    return f"--- shown\n{shown}--- said\n{said}"
