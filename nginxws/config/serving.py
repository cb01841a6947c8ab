"""Does a server block serve traffic, or does it only redirect, refuse, or answer by itself?

nginxws must not put a route where no request ever arrives: in the port-80 half of an https site, in a
catch-all that says 444. Two grades: *unreachable* (no request gets as far as any location) and merely
*not serving* (its locations only redirect).

Source of the rules: `return`, `rewrite`, `if` and `break` of ngx_http_rewrite_module's documentation. At the
level of the server they run, in their order, before a location is chosen.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nginxws.config.document import Directive
from nginxws.config.matching import LocationKey, location_key
from nginxws.config.octets import shown
from nginxws.config.pcre import matches_everything

if TYPE_CHECKING:
    from nginxws.config.tree import Located

_REDIRECTING = (b"http://", b"https://", b"$scheme")
# The last is `$https = ""`: an empty value leaves no word.
_TRUE_ON_PLAIN = (
    [b"$scheme", b"=", b"http"],
    [b"$scheme", b"!=", b"https"],
    [b"$https", b"!=", b"on"],
    [b"$https", b"="],
)
_PARENTHESES = re.compile(rb"^\(|\)$")
_STATUS = frozenset({b"stub_status", b"check_status"})
_CONTENT = frozenset({b"root", b"index", b"try_files", b"autoindex"})


@dataclass(frozen=True, slots=True)
class Verdict:
    """``serves``: requests end in a location that serves them. ``reachable``: they reach locations at all."""

    serves: bool
    reachable: bool
    why_not: str


_SERVES = Verdict(True, True, "")


def judge(
    directives: Sequence[Located],
    *,
    tls_only: bool,
    plain_only: bool,
    inside: Callable[[Located], list[Located]],
) -> Verdict:
    """Judge a server by its directives (includes expanded).

    ``tls_only`` and ``plain_only`` say that every listener is TLS, or none. ``inside`` expands a location.
    """
    answered = _answered_before_locations(directives, plain_only)
    if answered is not None:
        return Verdict(False, False, f"{_show(answered)} answers every request ({answered.where})")
    for located in directives:
        if (
            located.directive.name == b"ssl_reject_handshake"
            and located.directive.args == (b"on",)
            and tls_only
        ):
            return Verdict(False, False, f"ssl_reject_handshake refuses every connection ({located.where})")
    return _judge_locations(directives, inside)


def _answered_before_locations(directives: Sequence[Located], plain_only: bool) -> Located | None:
    """The server-level directive that answers every request, if one does (they run in their order)."""
    for located in directives:
        directive = located.directive
        if directive.name == b"break":
            return None
        if directive.name == b"if" and plain_only and _holds_on_plain(directive):
            inner = [child for child in directive.children if _answers(child)]
            if inner:
                return located
        if _answers(directive):
            return located
        if (
            directive.name == b"rewrite"
            and _takes_all(directive)
            and directive.args[-1] in (b"last", b"break")
        ):
            return None
    return None


def _holds_on_plain(condition: Directive) -> bool:
    """Whether an ``if`` is true for every request that came without TLS."""
    return _PARENTHESES.sub(b"", b" ".join(condition.args)).split() in _TRUE_ON_PLAIN


def _answers(directive: Directive) -> bool:
    """``return``, or a ``rewrite`` that redirects whatever the URI is."""
    if directive.name == b"return":
        return True
    if directive.name != b"rewrite" or not _takes_all(directive):
        return False
    words = directive.args
    return words[-1] in (b"redirect", b"permanent") or words[1].startswith(_REDIRECTING)


def _takes_all(rewrite: Directive) -> bool:
    return len(rewrite.args) >= 2 and matches_everything(rewrite.args[0])


def _judge_locations(directives: Sequence[Located], inside: Callable[[Located], list[Located]]) -> Verdict:
    """Not serving: ``/`` redirects or refuses and the rest is beside the point; or only a status page."""
    root: Located | None = None
    status: Located | None = None
    for located in directives:
        if located.directive.name != b"location":
            continue
        key = location_key(located.directive)
        content = inside(located)
        answer = next((one for one in content if _answers(one.directive)), None)
        if answer is not None and _is_root(key) and not _is_success(answer.directive):
            root = root or answer
        elif any(one.directive.name in _STATUS for one in content):
            status = located
        elif answer is None and not _is_beside(key, content):
            return _SERVES
    if root is not None:
        return Verdict(False, True, f"its locations only answer {_show(root)} ({root.where})")
    if status is not None and not any(located.directive.name in _CONTENT for located in directives):
        return Verdict(False, True, f"it only shows NGINX's own status ({status.where})")
    return _SERVES


def _is_root(key: LocationKey) -> bool:
    if key.is_regex:
        return matches_everything(key.raw, caseless=key.modifier == "~*")
    return key.path == "/" and key.modifier != "="


def _is_success(answer: Directive) -> bool:
    """``return 200 ...``: it answers by itself, and still it is a service."""
    return answer.name == b"return" and any(word.startswith(b"2") for word in answer.args[:1])


def _is_beside(key: LocationKey, content: list[Located]) -> bool:
    """ACME challenges, forbidden corners, and named locations, which no URI reaches: nobody's application."""
    denied = any(one.directive.name == b"deny" and one.directive.args == (b"all",) for one in content)
    allowed = any(one.directive.name == b"allow" for one in content)
    return key.modifier == "@" or "well-known" in key.path or (denied and not allowed)


def _show(located: Located) -> str:
    """The directive as its author wrote it, shortened, for a message."""
    head = located.directive.head
    words = located.file.document.data[head.start : head.end].split()
    text = shown(b" ".join(words))
    return f"`{text if len(text) <= 60 else text[:59] + '…'}`"
