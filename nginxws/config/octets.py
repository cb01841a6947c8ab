"""A configuration's bytes as text, and back without loss: NGINX knows no encoding."""

from __future__ import annotations


def to_text(data: bytes) -> str:
    """UTF-8 where it is; any other byte becomes a lone surrogate, which ``to_bytes`` turns back (PEP 383)."""
    return data.decode(errors="surrogateescape")


def to_bytes(text: str) -> bytes:
    """The bytes that ``to_text`` made the text of."""
    return text.encode(errors="surrogateescape")


def shown(data: bytes) -> str:
    r"""For messages, one way only: a byte that isn't UTF-8 is spelled ``\xff``."""
    return data.decode(errors="backslashreplace")
