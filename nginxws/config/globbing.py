"""The patterns of `include`, as glob(3) with no flags reads them (ngx_open_glob calls it so); see glob(7)."""

from __future__ import annotations

import re

_TOKEN = re.compile(r"\\(.)|\[([!^]?+)(\]?+(?:\[:[a-z]+:\]|\\.|[^]/\\])*+)\]|.", re.DOTALL)
_MEMBER = re.compile(r"\[:([a-z]+):\]|\\?(.)(?:-\\?(.))?", re.DOTALL)
_NOTHING = "(?!)"
_CLASSES = {
    "alnum": "a-zA-Z0-9",
    "alpha": "a-zA-Z",
    "digit": "0-9",
    "lower": "a-z",
    "upper": "A-Z",
    "xdigit": "0-9a-fA-F",
}


def glob_regex(pattern: str) -> re.Pattern[str]:
    """A pattern as a regular expression for ``fullmatch``.

    ``/`` and a leading dot are matched by themselves only. A bracket without its end is a plain character.
    Linear in the text: each star but the last takes the first place that fits and never tries another, which
    changes no answer, since the star after it can take what is left.
    """
    chunks: list[list[str]] = [[]]
    for token in _TOKEN.finditer(pattern):
        escaped, negated, members = token.groups()
        parts = chunks[-1]
        special = members is not None or token[0] in ("*", "?")
        if special and (token.start() == 0 or pattern[token.start() - 1] == "/"):
            parts.append(r"(?!\.)")
        if token[0] == "*":
            chunks.append([])
        elif token[0] == "?":
            parts.append("[^/]")
        elif members is not None:
            parts.append(_bracket(members, bool(negated)))
        else:
            parts.append(re.escape(escaped or token[0]))
    first, *stars = ("".join(chunk) for chunk in chunks)
    atomic = "".join(f"(?>[^/]*?{chunk})" for chunk in stars[:-1])
    return re.compile(first + atomic + "".join(f"[^/]*{chunk}" for chunk in stars[-1:]), re.DOTALL)


def _bracket(members: str, negated: bool) -> str:
    found = ""
    for named, first, last in _MEMBER.findall(members):
        if named:
            found += _CLASSES.get(named, "")
        elif not last:
            found += re.escape(first)
        elif first <= last:
            found += f"{re.escape(first)}-{re.escape(last)}"
    if not found:
        return "[^/]" if negated else _NOTHING
    return f"(?!/)[{'^' if negated else ''}{found}]"
