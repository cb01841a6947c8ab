"""YAML, as much of it as exports need: mappings, lists, plain values, block scalars. Pure.

Every string is written as a JSON string (which YAML 1.2 takes as it is), or as a block scalar where that
is safe, so that no value can be read as anything but itself.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*(?: ?\[[a-z0-9]+\])?")
#: Words that YAML 1.1 takes for something else than text.
_NOT_TEXT = {"y", "n", "yes", "no", "on", "off", "true", "false", "null"}
_UNSAFE = re.compile(
    r"[^\t\n\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010fffd]"
)


@dataclass(frozen=True, slots=True)
class Unsafe:
    """A text that Ansible must not take for a template: ``!unsafe``."""

    text: str


@dataclass(frozen=True, slots=True)
class Note:
    """A comment above an item of a list, or in a mapping above the key that follows (its key is ignored)."""

    text: str


def emit(value: Mapping[str, Any] | Sequence[Any]) -> str:
    """The document, with a final newline, of str, int, bool, None, Unsafe, mappings and lists of them."""
    return "\n".join(_block(value, "")) + "\n"


def _block(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(item, Note):
                yield from _note(item, indent)
            else:
                yield from _entry(f"{indent}{_key(key)}:", item, indent + "  ")
    else:
        for item in value:
            yield from _item(item, indent)


def _item(item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, Note):
        yield from _note(item, indent)
    elif isinstance(item, (Mapping, list, tuple)) and item:
        first, *rest = _block(item, indent + "  ")
        yield f"{indent}- {first[len(indent) + 2 :]}"
        yield from rest
    else:
        yield from _entry(f"{indent}-", item, indent + "  ")


def _entry(head: str, item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, (Mapping, list, tuple)) and item:
        yield head
        yield from _block(item, indent)
        return
    tag, item = ("!unsafe ", item.text) if isinstance(item, Unsafe) else ("", item)
    if isinstance(item, str) and _fits_block(item):
        keep = "-" if not item.endswith("\n") else ""
        yield f"{head} {tag}|{keep}"
        yield from (f"{indent}{line}" if line else "" for line in item.removesuffix("\n").split("\n"))
    else:
        yield f"{head} {tag}{_scalar(item)}"


def _fits_block(text: str) -> bool:
    """Whether a text of several lines reads back as it is from a block scalar."""
    lines = text.removesuffix("\n").split("\n")
    return (
        len(lines) > 1
        and not _UNSAFE.search(text)
        and lines[0][:1] not in ("", " ", "\t")
        and bool(lines[-1].strip())
    )


def _scalar(item: Any) -> str:
    if isinstance(item, str):
        return _UNSAFE.sub(_escaped, json.dumps(item, ensure_ascii=False))
    return json.dumps(item)  # numbers, booleans, null, and what is empty


def _escaped(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _key(key: str) -> str:
    return key if _KEY.fullmatch(key) and key.lower() not in _NOT_TEXT else _scalar(key)


def _note(note: Note, indent: str) -> Iterator[str]:
    for line in note.text.split("\n"):
        yield f"{indent}# {_UNSAFE.sub('?', line)}".rstrip()
