"""URLs taken apart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.errors import InvalidInput
from nginxws.nodes.probe.url import UrlTarget, parse_url, url_request


@pytest.mark.parametrize(
    ("url", "target"),
    [
        ("ws://a.example", UrlTarget("a.example", 80, False, "/", "a.example")),
        ("wss://a.example/ws/", UrlTarget("a.example", 443, True, "/ws/", "a.example")),
        (
            "http://A.Example:8080/ws?x=1&y",
            UrlTarget("a.example", 8080, False, "/ws?x=1&y", "a.example:8080"),
        ),
        ("wss://a.example:443/", UrlTarget("a.example", 443, True, "/", "a.example")),
        ("wss://a.example:80/", UrlTarget("a.example", 80, True, "/", "a.example:80")),
        ("https://[::1]:8443/", UrlTarget("::1", 8443, True, "/", "[::1]:8443")),
        ("WSS://10.0.0.1/a%20b", UrlTarget("10.0.0.1", 443, True, "/a%20b", "10.0.0.1")),
        (
            "ws://a.example/grüße?q=ü",
            UrlTarget("a.example", 80, False, "/gr%C3%BC%C3%9Fe?q=%C3%BC", "a.example"),
        ),
        (
            "ws://bücher.example/",
            UrlTarget("xn--bcher-kva.example", 80, False, "/", "xn--bcher-kva.example"),
        ),
    ],
)
def test_urls(url: str, target: UrlTarget) -> None:
    assert parse_url(url) == target
    request = url_request(target)
    assert request.from_url
    assert request.host == target.host_header
    assert request.port == target.port


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("a.example/ws/", "has no scheme"),
        ("localhost:8080/ws/", "has no scheme"),
        ("ftp://a.example/", "has no scheme"),
        ("ws:/a.example", "has no scheme"),
        ("ws://", "names no host"),
        ("ws:///path", "names no host"),
        ("ws://a.example:0/", "names no host and port"),
        ("ws://a.example:70000/", "is not a URL"),
        ("ws://a.example:x/", "is not a URL"),
        ("ws://[::1/", "is not a URL"),
        ("ws://a.example/#frag", "has no fragment"),
        ("ws://a.example/#", "has no fragment"),
        ("ws://user:s3cret@a.example/", "holds a user name or a password"),
        ("ws://user:s3cret@a.example:x/", "is not a URL"),
        ("gopher://user:s3cret@a.example/", "has no scheme"),
        ("ws://a.example/a b", "white space"),
        ("ws://a.example/\r\nX: y", "white space or control"),
        ("ws://a.example\x00/", "control"),
        ("ws://-\u00ad.example/", "control"),
        ("ws://" + "ü" * 70 + ".example/", "not a host name"),
    ],
)
def test_urls_that_are_refused(url: str, words: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse_url(url)
    assert words in str(caught.value)
    assert caught.value.hint
    assert "s3cret" not in f"{caught.value} {caught.value.hint}"


@given(st.text(max_size=40).map(lambda text: f"ws://{text}"))
def test_any_url_gives_a_request_or_invalid_input(url: str) -> None:
    try:
        request = url_request(parse_url(url))
    except InvalidInput:
        return
    assert request.path.isascii()
    assert request.host.isascii()
