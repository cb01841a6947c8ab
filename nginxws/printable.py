"""Text from nodes, files and other programs, made safe to print. Pure, below everything else.

Two ways for two uses: `clean` spells out what is unsafe, for names and messages in which nothing may get
lost; `excerpt` puts U+FFFD in its place, for quotes from bodies and headers, which must not outgrow their
limit and whose line ends may be the web's.
"""

from __future__ import annotations

import re

# C0 and C1 control characters except tab and line feed, and the bidirectional overrides that
# could make a line read as something else (Unicode TR 36, section 3.1.1); halves of surrogate pairs.
_UNSAFE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def clean(text: str) -> str:
    """``text`` with control characters spelled out, so that no terminal acts on them."""
    return _UNSAFE.sub(lambda match: spell(match[0]), text)


def one_line(text: str) -> str:
    """``clean`` text without line ends and tabs."""
    return clean(re.sub(r"[\t\n\r]+", " ", text))


def excerpt(text: str, limit: int) -> str:
    """The first ``limit`` characters with U+FFFD for control characters; any line end becomes LF."""
    text = text[:limit].replace("\r\n", "\n").replace("\r", "\n")
    return _UNSAFE.sub("\ufffd", text).strip()


def spell(char: str) -> str:
    """One character as its code: ``\\x1b``, ``\\u202e``; a byte that isn't UTF-8 as that byte."""
    code = ord(char)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
