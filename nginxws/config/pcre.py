"""PCRE patterns of a configuration as Python's `re`, on bytes, as NGINX matches them (no UTF mode).

An approximation that knows its limits: what `re` can't express isn't guessed, it is None. Source of the
rules: pcrepattern(3), and ngx_http_regex_compile, which asks for no options but case.
"""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

_CLASSES = {
    b"alnum": b"a-zA-Z0-9",
    b"alpha": b"a-zA-Z",
    b"blank": rb" \t",
    b"digit": b"0-9",
    b"lower": b"a-z",
    b"space": rb"\s",
    b"upper": b"A-Z",
    b"word": rb"\w",
    b"xdigit": b"0-9A-Fa-f",
}

# Where the two dialects spell one thing differently. Pairs with a backslash are read as one, so that an
# escaped bracket or a doubled backslash is never taken for something else.
_SPELLING = re.compile(rb"\\(.)|\(\?<([A-Za-z_])|\[:(\w+):\]", re.DOTALL)
_ENDS = {b"z": rb"\Z", b"Z": rb"(?=\n?\Z)", b"h": rb"[ \t]"}

# Same spelling, other meaning: `re` takes these for set notation of the future, or for plain characters.
_FOREIGN = re.compile(rb"\\[QEGKRXpPNCgk]|\(\?[|RC&0-9+]|\(\*|\[:\^")


_TOKEN = re.compile(rb"\\.|\[\^?\]?(?:\\.|[^]\\])*+\]|[()*+|?]|\{\d+(?:,\d*)?\}|.", re.DOTALL)
_REPEATS = 10  # without an end, in one pattern: more of them, one after the other, take as long


def _explosive(pattern: bytes) -> bool:
    """A choice inside a repeated group: PCRE gives up at its match limit, `re` goes on for hours.

    A repeat of any length is a choice, and so is an alternative, and what may be missing.
    """
    holds = [False]  # for each open group: whether there is a choice in it
    closed = False  # the group that has just ended held one
    before, repeats = b"", 0
    for token in _TOKEN.findall(pattern):
        repeat = token in (b"*", b"+") or (token[:1] == b"{" and token != b"{")
        if repeat and closed:
            return True
        closed = token == b")" and len(holds) > 1 and holds.pop()
        holds[-1] |= closed or _is_choice(token, before)
        repeats += repeat
        if token == b"(":
            holds.append(False)
        before = token
    return repeats > _REPEATS


def _is_choice(token: bytes, before: bytes) -> bool:
    if token == b"?":
        return before != b"("  # there it begins what kind of a group it is
    return token in (b"*", b"+", b"|") or (token[:1] == b"{" and b"," in token)


@lru_cache(maxsize=4096)
def compile_pcre(pattern: bytes, *, caseless: bool = False) -> re.Pattern[bytes] | None:
    """Compile a PCRE pattern for ``search``; None when `re` can't tell what PCRE would match."""
    if _FOREIGN.search(pattern.replace(rb"\\", b"")) or _explosive(pattern):
        return None
    try:
        spelled = _SPELLING.sub(_respell, pattern)
        with warnings.catch_warnings():
            # "Possible nested set" and its like: the meaning today is PCRE's.
            warnings.simplefilter("ignore")
            return re.compile(spelled, re.IGNORECASE if caseless else 0)
    except (re.error, LookupError, OverflowError, RecursionError):
        return None


def _respell(match: re.Match[bytes]) -> bytes:
    escaped, group, posix = match.groups()
    if escaped is not None:
        return _ENDS.get(escaped, match[0])
    if group is not None:
        return b"(?P<" + group
    return _CLASSES[posix]


def matches_everything(pattern: bytes, *, caseless: bool = False) -> bool:
    """Whether a pattern takes every URI, tried on URIs that have nothing in common but the slash."""
    regex = compile_pcre(pattern, caseless=caseless)
    return regex is not None and all(regex.search(uri) for uri in _SAMPLES)


_SAMPLES = (b"/", b"/ws/", b"/a.php", b"/Z-0_9/x.y/~", b"/.well-known/q", b"/\xc3\xa4 b")
