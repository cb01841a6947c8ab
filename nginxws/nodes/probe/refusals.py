"""Bodies by which NGINX and common servers say why they refuse a handshake with 400."""

from __future__ import annotations

UPGRADE_LOST = (
    "another proxy stands between, or another location won: its block must send Upgrade and Connection "
    "on, with proxy_http_version 1.1"
)


def known_refusal(body: str) -> tuple[str, str] | None:
    """What a 400's body gives away: the meaning and the next step, or None."""
    lower = body.lower()
    for words, text, hint in _KNOWN:
        if any(word in lower for word in words):
            return text, hint
    return None


# In lower case: words of which one is enough, meaning, hint. NGINX's own come first
# (ngx_http_special_response.c), then engine.io, Tornado and the like, Django.
_KNOWN: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("plain http request was sent to https port",),
        "the listener speaks TLS, and the probe came without",
        "probe it as wss://, on the server's TLS port",
    ),
    (
        ("no required ssl certificate", "ssl certificate error"),
        "the listener wants a client certificate",
        "a probe can't show one: use --probe warn, or probe a listener without that demand",
    ),
    (
        ("header or cookie too large",),
        "the request's headers are too large for NGINX",
        "send less, or raise large_client_header_buffers",
    ),
    (
        ("session id unknown",),
        "Socket.IO doesn't know this session: its requests reach different backends",
        "make the route sticky (--balance ip-hash), or let clients use only the websocket transport",
    ),
    (
        ("transport unknown", "unsupported protocol version"),
        "Socket.IO wants its transport named in the query",
        "probe the path '/socket.io/?EIO=4&transport=websocket'",
    ),
    (
        ('can "upgrade" only to "websocket"', "upgrade header", "connection header", "not a websocket"),
        "the Upgrade headers didn't reach the application",
        UPGRADE_LOST,
    ),
    (
        ("disallowedhost", "invalid http_host", "invalid host", "allowed_hosts"),
        "the application doesn't know the Host it was sent",
        "send one that it knows: --host NAME on the route",
    ),
)
