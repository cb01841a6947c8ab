"""The comment at the top of every export: what it is, and what it leaves out. Pure."""

from __future__ import annotations

from nginxws.environment.export.jobs import Ask, environment
from nginxws.environment.wanted import urls


def heading(ask: Ask, text: str) -> str:
    """The comment's lines, without their marks: the environment, its addresses, then ``text``."""
    domain = environment(ask).domain
    found = [url.wss or url.ws for url in urls(ask.manifest)]
    return "\n".join(
        [f"The environment {domain}, written by `nginxws env export`. Write it anew rather than editing it."]
        + [f"Address: {one}" for one in found]
        + [text.strip("\n")]
    )
