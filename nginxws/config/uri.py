"""A request's URI as NGINX compares it with locations.

Source of the rules: ngx_http_parse_complex_uri (nginx, http/ngx_http_parse.c).
"""

from __future__ import annotations

import re

from nginxws.config.octets import shown, to_bytes
from nginxws.errors import InvalidInput

_ORIGIN = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/?#]*")
_QUERY = re.compile(r"[?#].*", re.DOTALL)
_ESCAPE = re.compile(rb"%(?:([0-9A-Fa-f]{2})|.{0,2})", re.DOTALL)


def normalise(uri: str, *, merge_slashes: bool = True) -> bytes:
    """Decode and normalise a URI as a client sends it: without query and fragment, ``.`` and ``..`` resolved.

    A scheme and host in front are dropped. Raises InvalidInput for what nginx answers with 400: no leading
    slash, a broken or zero percent escape, more ``..`` than there are segments.
    """
    origin = _ORIGIN.match(uri)
    rest = uri[origin.end() :] if origin else uri
    path = to_bytes(_QUERY.sub("", rest))
    if origin and not path:
        path = b"/"
    if not path.startswith(b"/"):
        raise _refused(uri, "it must start with a slash")
    decoded = _ESCAPE.sub(lambda match: _decode(match, uri), path)
    return _resolve(decoded, uri, merge_slashes)


def _decode(match: re.Match[bytes], uri: str) -> bytes:
    if match[1] is None or match[1] == b"00":
        raise _refused(uri, f'"{shown(match[0])}" isn\'t a percent escape of a byte')
    return bytes.fromhex(match[1].decode())


def _resolve(path: bytes, uri: str, merge_slashes: bool) -> bytes:
    kept: list[bytes] = []
    segments = path.split(b"/")[1:]
    for position, segment in enumerate(segments, start=1):
        last = position == len(segments)
        if segment == b"..":
            if not kept:
                raise _refused(uri, "its .. segments lead out of the root")
            kept.pop()
        elif segment != b"." and (segment or last or not merge_slashes):
            kept.append(segment)
            continue
        if last:
            # "/a/." and "/a/.." name a directory: the slash stays.
            kept.append(b"")
    return b"/" + b"/".join(kept)


def _refused(uri: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"NGINX answers 400 to the URI {uri!r}: {why}",
        hint="give the path as a client sends it, such as /ws/",
    )
