"""Words, quotes, comments and Lua blocks of NGINX configuration, as regular expressions over bytes.

The rules are those of ``ngx_conf_read_token`` (nginx, src/core/ngx_conf_file.c):

* white space is exactly space, tab, CR and LF;
* a word that starts with a quote ends at the same quote; white space, ``;``, ``{`` or ``)`` must follow;
* any other word ends at white space, ``;`` or ``{``; inside it quotes, ``#`` and ``}`` are ordinary bytes;
* a backslash takes the next byte with it, whatever it is;
* ``$`` takes any number of ``{`` with it, which is how ``${name}`` stays one word;
* ``#`` starts a comment only where a word could start.

Only nginx's buffer is not modelled: it refuses any word or comment of 4096 bytes or more ("too long
parameter"), which is left to ``nginx -t``.

Every repetition is possessive or walks over disjoint alternatives, so that no input is read more than a
fixed number of times. No repeated group may fail half-way: Python before 3.11.5 then forgets to step back
(gh-106052), and that is what Debian 12 ships.
"""

from __future__ import annotations

import re

_SPACE = rb"[ \t\r\n]"
_QUOTED = rb"""(?:"[^"\\]*+(?:\\[\s\S][^"\\]*+)*+"|'[^'\\]*+(?:\\[\s\S][^'\\]*+)*+')"""
_BARE = rb"""(?:(?![}#"'])(?:[^ \t\r\n;{\\$]++|\\[\s\S]|\$\{*+)++)"""

SPACE = re.compile(_SPACE + rb"*+")
_QUOTED_WORD = re.compile(_QUOTED)
COMMENT = re.compile(rb"#[^\n]*+")
WORD = re.compile(_QUOTED + rb"(?![^ \t\r\n;{)])|" + _BARE)
"""One word at the place where one starts, with what must follow it when it is quoted."""

# What nearly every directive looks like: no backslash, no `${`, no quote or brace or hash inside a word.
# More than 60 words (or anything unusual) is left to the word-by-word way, which bounds the backtracking.
_PLAIN = rb"""[^ \t\r\n;{}"'#\\]++"""
_ARGUMENT = _PLAIN + rb"""|"[^"\\]*+"(?![^ \t\r\n;{])|'[^'\\]*+'(?![^ \t\r\n;{])"""
STATEMENT = re.compile(
    rb"[ \t\r\n]*+(?:"
    rb"(" + _PLAIN + rb")(?:[ \t\r\n]++(?:" + _ARGUMENT + rb")){0,60}[ \t\r\n]*+(?:;|(?<!\$)\{)"
    rb"|(\})"
    rb"|(#[^\n]*+))"
)
"""White space, then 1: a plain directive's name (matched up to its terminator), 2: ``}``, 3: a comment."""

_WORDS = re.compile(rb"[ \t\r\n]++|#[^\n]*+|(" + _QUOTED + rb"|" + _BARE + rb")")
_ESCAPE = re.compile(rb"""\\(["'\\trn])""")
_CONTROL = {b"t": b"\t", b"r": b"\r", b"n": b"\n"}
_SAFE_BARE = re.compile(rb"""(?:[^\x00-\x20\x7f;{}"'#\\]|\\[^\x00-\x20\x7f;{}"'#])++""")
_MUST_DOUBLE = re.compile(rb"""\\(?=["'\\trn]|\Z)""")

_LUA = re.compile(
    rb"""[{}]|(?:--)?\[(?P<level>=*+)\[|--[^\n]*+|"[^"\\]*+(?:\\[\s\S][^"\\]*+)*+"|'[^'\\]*+(?:\\[\s\S][^'\\]*+)*+'|["']"""
)


_MARKS = {
    b"\xef\xbb\xbf": "UTF-8 byte order mark",
    b"\xff\xfe": "UTF-16 byte order mark",
    b"\xfe\xff": "UTF-16 byte order mark",
}


def byte_order_mark(data: bytes) -> str | None:
    """What kind of byte order mark the data starts with; nginx takes one for part of the first name."""
    return next((meaning for mark, meaning in _MARKS.items() if data.startswith(mark)), None)


def split_words(head: bytes) -> tuple[bytes, ...]:
    """Cut a directive's name and arguments (without terminator) into raw words, leaving comments out."""
    return tuple(word for word in _WORDS.findall(head) if word)


def skip(pattern: re.Pattern[bytes], data: bytes, position: int) -> int:
    """The offset after what the pattern matches at ``position``; ``position`` itself if it doesn't."""
    match = pattern.match(data, position)
    return match.end() if match else position


def explain(data: bytes, position: int) -> tuple[str, int, str]:
    """Say why no word can be read at ``position``: (what is wrong, its offset, what to do)."""
    byte = chr(data[position])
    if byte == "}":
        return 'unexpected "}"', position, 'the directive before it has no ";"'
    if byte == "\\":
        return "the file ends with a backslash", position, "take it out"
    if byte in ('"', "'"):
        quoted = _QUOTED_WORD.match(data, position)
        if quoted is None:
            return f"this {byte} is never closed", position, "add the closing quote"
        after = ascii(chr(data[quoted.end()]))
        hint = "put a space after the quote, or the whole word into quotes"
        return f"unexpected {after} directly after a closing quote", quoted.end(), hint
    return f'unexpected "{byte}"', position, "a directive needs a name in front of it"


def unquote(word: bytes) -> bytes:
    r"""Give the value of a raw word as nginx copies it.

    Surrounding quotes go; ``\"``, ``\'`` and ``\\`` lose their backslash; ``\t``, ``\r`` and ``\n`` become
    the control character; any other backslash stays.
    """
    if word[:1] in (b'"', b"'"):
        word = word[1:-1]
    if b"\\" not in word:
        return word
    return _ESCAPE.sub(_unescape, word)


def _unescape(match: re.Match[bytes]) -> bytes:
    byte = match[1]
    return _CONTROL.get(byte, byte)


def quote(value: bytes) -> bytes:
    """Spell a value as one word that ``unquote`` gives back: bare where that is safe, else in quotes."""
    escaped = _MUST_DOUBLE.sub(rb"\\\\", value)
    if _SAFE_BARE.fullmatch(escaped):
        return escaped
    mark = b"'" if value.count(b'"') > value.count(b"'") else b'"'
    return mark + escaped.replace(mark, b"\\" + mark) + mark


def lua_block_end(data: bytes, start: int) -> int | None:
    """Find the ``}`` that closes a Lua block whose body starts at ``start``; None when nothing does.

    Braces inside Lua strings, long brackets and comments don't count (lua-nginx-module's own lexer does the
    same; Lua manual, 3.1).
    """
    depth = 0
    position = start
    while match := _LUA.search(data, position):
        token = match[0]
        position = match.end()
        if token == b"{":
            depth += 1
        elif token == b"}":
            if depth == 0:
                return match.start()
            depth -= 1
        elif token in (b'"', b"'"):
            return None
        elif match["level"] is not None:
            bracket = b"]" + match["level"] + b"]"
            close = data.find(bracket, position)
            if close == -1:
                return None
            position = close + len(bracket)
    return None
