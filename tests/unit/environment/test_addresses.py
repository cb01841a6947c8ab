"""Addresses in an application's files: exactly one is found, and just it is another one afterwards."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from nginxws.environment.addresses import address_in, rewrite, taken_out
from nginxws.environment.wanted import WantedFile
from nginxws.errors import NginxwsError

URL = "ws://chat.example.com/ws/"


def by_pattern(pattern: bytes, value: str = URL) -> WantedFile:
    return WantedFile("chat.js", pattern, None, value)


def by_placeholder(text: bytes, value: str = URL) -> WantedFile:
    return WantedFile("chat.js", None, text, value)


@pytest.mark.parametrize(
    ("before", "wanted", "after"),
    [
        (b'a\r\nwsUri = "x";\n\xff', by_pattern(b'wsUri = "([^"]*)"'), b'a\r\nwsUri = "%s";\n\xff'),
        (b'wsUri = "";', by_pattern(b'wsUri = "([^"]*)"'), b'wsUri = "%s";'),
        (b"x=({{WS}})", by_placeholder(b"{{WS}}"), b"x=(%s)"),
        (b"x", by_placeholder(b"x"), b"%s"),
        (b"a.b axb", by_placeholder(b"a.b"), b"%s axb"),
        (b"k: old\nl: old", by_pattern(b"(?m)^l: (.*)$"), b"k: old\nl: %s"),
        ("grün {{WS}}".encode(), by_placeholder(b"{{WS}}"), "grün %s".encode()),
        (b"[[a]: 1", by_pattern(rb"[[]a]: (\d)"), b"[[a]: %s"),
    ],
)
def test_just_the_address_changes(before: bytes, wanted: WantedFile, after: bytes) -> None:
    assert rewrite(before, wanted, "chat.js") == after % URL.encode()


def test_nothing_in_the_address_is_taken_for_a_reference() -> None:
    value = r"ws://h/\1$&\g<1>"
    assert rewrite(b"<x>", by_pattern(b"<(.)>", value), "f") == b"<" + value.encode() + b">"


def test_an_address_that_stands_there_already_stays() -> None:
    data = b'wsUri = "' + URL.encode() + b'"'
    assert rewrite(data, by_pattern(b'wsUri = "([^"]*)"'), "f") == data


@pytest.mark.parametrize(
    ("data", "wanted", "address"),
    [
        (b"u=ws://x;", by_pattern(b"u=(.*);"), b"ws://x"),
        (b"u=a;\nu=b;", by_pattern(b"u=(.*);"), None),
        (b"none", by_pattern(b"u=(.*);"), None),
        (b"u", by_pattern(b"u(=.*)?"), None),
        (URL.encode(), by_placeholder(b"@"), URL.encode()),
        (b"@", by_placeholder(b"@"), None),
        (2 * URL.encode(), by_placeholder(b"@"), None),
    ],
)
def test_the_address_that_stands_there(data: bytes, wanted: WantedFile, address: bytes | None) -> None:
    assert address_in(data, wanted) == address


@pytest.mark.parametrize(
    ("data", "original", "wanted", "left"),
    [
        (b"u=%s;\nx", b"u=old;", by_pattern(b"u=(.*);"), b"u=old;\nx"),
        (b"u=old;\nx", b"u=old;", by_pattern(b"u=(.*);"), b"u=old;\nx"),
        (b"u=his;\nx", b"u=old;", by_pattern(b"u=(.*);"), None),
        (b"u=%s;\nu=%s;", b"u=old;", by_pattern(b"u=(.*);"), None),
        (b"x", b"u=old;", by_pattern(b"u=(.*);"), None),
        (b"u=%s;", b"x", by_pattern(b"u=(.*);"), None),
        (b"u=%s;", b"u", by_pattern(b"u(=.*;)?"), None),
        (b"u", b"u=old;", by_pattern(b"u(=.*;)?"), None),
        (b"<%s> x", b"<@>", by_placeholder(b"@"), b"<@> x"),
        (b"<@> x", b"<@>", by_placeholder(b"@"), b"<@> x"),
        (b"<%s> x", b"<@> %s", by_placeholder(b"@"), None),
        (b"<%s> x @", b"<@>", by_placeholder(b"@"), None),
        (b"x", b"<@>", by_placeholder(b"@"), None),
    ],
)
def test_the_address_taken_out_again(
    data: bytes, original: bytes, wanted: WantedFile, left: bytes | None
) -> None:
    url = URL.encode()
    assert taken_out(data.replace(b"%s", url), original.replace(b"%s", url), wanted) == left


@given(st.binary(), st.binary(), st.binary())
def test_an_edit_around_the_address_stays(start: bytes, end: bytes, edit: bytes) -> None:
    wanted, url = by_placeholder(b"{{WS}}"), URL.encode()
    original = start + b"{{WS}}" + end
    assume(b"{{WS}}" not in start + end + edit and url not in start + end + edit)
    ours = rewrite(original, wanted, "f") if original.count(b"{{WS}}") == 1 else b""
    assume(ours)
    assert taken_out(edit + ours, original, wanted) == edit + original


@pytest.mark.parametrize(
    ("data", "wanted", "message", "hint"),
    [
        (
            b"a\nb",
            by_pattern(b"c(.)"),
            "the pattern doesn't match anything in the file",
            "need a backslash",
        ),
        (
            b"a\n" + URL.encode(),
            by_placeholder(b"{{WS}}"),
            "the placeholder doesn't match anything in the file",
            f"{URL} stands there already, in line 2: a pattern would find it",
        ),
        (
            b"x1\n\nx2",
            by_pattern(b"x(.)"),
            "the pattern matches 2 times (lines 1, 3), not exactly once",
            "longer",
        ),
        (b"aaa", by_placeholder(b"aa"), "the placeholder matches 2 times (lines 1, 1), not", "longer"),
        (b"x\n" * 7, by_placeholder(b"x"), "the placeholder matches 7 times (lines 1, 2, 3, 4, 5 …)", "the"),
        (b"b", by_pattern(b"(a)|b"), "the pattern matches, but without its group", "optional"),
        (b"b\nb", by_pattern(b"(a)|b"), "the pattern matches 2 times (lines 1, 1)", "longer"),
    ],
)
def test_not_exactly_one(data: bytes, wanted: WantedFile, message: str, hint: str) -> None:
    with pytest.raises(NginxwsError) as caught:
        rewrite(data, wanted, "public/chat.js")
    assert caught.value.message.startswith(message)
    assert (caught.value.file, caught.value.code) == ("public/chat.js", 1)
    assert hint in (caught.value.hint or "")


@given(st.binary(), st.binary(), st.binary(max_size=40), st.text(st.sampled_from("ws:/.-$\\1"), max_size=20))
def test_exactly_the_group_is_replaced(head: bytes, tail: bytes, old: bytes, value: str) -> None:
    assume(b"<<" not in head + old + tail and not head.endswith(b"<") and not old.startswith(b"<"))
    data = head + b"<<" + old + b">>" + tail
    wanted = by_pattern(b"(?s)<<(.*?)>>", value)
    inside = data[len(head) + 2 :]
    rest = inside[inside.index(b">>") :]
    assert rewrite(data, wanted, "f") == head + b"<<" + value.encode() + rest


@given(st.binary(max_size=60), st.binary(min_size=1, max_size=3), st.sampled_from(["", "ws://h/", "a"]))
def test_a_placeholder_is_replaced_or_refused(data: bytes, text: bytes, value: str) -> None:
    places = [at for at in range(len(data)) if data.startswith(text, at)]
    if len(places) == 1:
        assert rewrite(data, by_placeholder(text, value), "f") == data.replace(text, value.encode())
    else:
        with pytest.raises(NginxwsError, match=r"placeholder (doesn't match|matches \d+ times)"):
            rewrite(data, by_placeholder(text, value), "f")


@given(st.binary(max_size=60), st.binary(max_size=12))
def test_a_pattern_that_matches_once_or_not_once(data: bytes, inner: bytes) -> None:
    wanted = by_pattern(b"(" + re.escape(inner) + b")", "v")
    if data.count(inner) == 1:
        assert rewrite(data, wanted, "f") == data.replace(inner, b"v")
    else:
        with pytest.raises(NginxwsError, match="the pattern "):
            rewrite(data, wanted, "f")
