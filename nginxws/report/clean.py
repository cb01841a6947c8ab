"""Text from nodes, files and other programs, made safe to print."""

from __future__ import annotations

import re

# C0 and C1 control characters except tab and line feed, and the bidirectional overrides that
# could make a line read as something else (Unicode TR 36, section 3.1.1).
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """``text`` with control characters spelled out, so that no terminal acts on them."""
    return _UNSAFE.sub(_spell, text)


def one_line(text: str) -> str:
    """``clean`` text without line ends and tabs."""
    return clean(re.sub(r"[\t\n\r]+", " ", text))


def _spell(match: re.Match[str]) -> str:
    code = ord(match[0])
    if 0xDC80 <= code <= 0xDCFF:  # a byte that isn't UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
