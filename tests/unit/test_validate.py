"""Whitelists: what is let through, what is refused, and how the refusal reads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws import validate
from nginxws.config.document import quote
from nginxws.errors import ExitCode, InvalidInput

HOSTILE = [
    ";",
    "{",
    "}",
    "\n",
    "\r",
    "\t",
    "\0",
    " ",
    "$",
    '"',
    "'",
    "`",
    "\\",
    "#",
    "\x01",
    "\x1b",
    "\x7f",
    "\x85",
    "\xa0",
    "é",
    "\u2028",
    "\udc80",
    "\U0001f600",
]


def assert_refused(error: InvalidInput) -> None:
    """The refusal ends in exit 64, helps, and can be printed anywhere."""
    assert error.code is ExitCode.USAGE
    assert error.hint
    assert str(error).replace("…", "").isascii()
    assert str(error).isprintable()


@pytest.mark.parametrize(
    "text", ["/", "/ws/", "/ws", "/a.b/c-d_e~f!&()*+,=:@/", "/" + "a" * 1023, "/.well-known/x"]
)
def test_location_path_accepts(text: str) -> None:
    assert validate.location_path(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "ws", "ws/", "/a//b", "//", "/./", "/a/../b", "/..", "/a/.", "/a%20b", "/a?b=c", "/" + "a" * 1024]
    + [f"/w{char}s/" for char in HOSTILE]
    + [f"/ws/{char}" for char in HOSTILE],
)
def test_location_path_refuses(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate.location_path(text)
    assert_refused(caught.value)


@pytest.mark.parametrize(("text", "word"), [("/a%20b", "decoded"), ("/a?b", "query"), ("/a b", "letters")])
def test_location_path_hints(text: str, word: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate.location_path(text)
    assert word in (caught.value.hint or "")


@pytest.mark.parametrize(
    "text", ["^/ws/$", r"^/api/v[0-9]+/(users/)?websocket$", r"/a{1,2}/\d+\.x", r"\\", "^/x/(?!y)", "[[a]"]
)
def test_location_regex_accepts(text: str) -> None:
    assert validate.location_regex(text) == text


@pytest.mark.parametrize(
    "text",
    ["", "(", "*", "a" * 1025, "[", "a{2}{3}", "\\", "(?P<host>.*)", "a" + "(" * 500 + ")" * 500]
    + [f"^/a{char}b" for char in HOSTILE if char not in "{}$\\"],
)
def test_location_regex_refuses(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate.location_regex(text)
    assert_refused(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("app", "app"),
        ("App.Example.COM", "app.example.com"),
        ("a.b.", "a.b."),
        ("my_app", "my_app"),
        ("10.0.0.5", "10.0.0.5"),
        ("[::1]", "[::1]"),
        ("[FD00::A]", "[fd00::a]"),
        ("[::ffff:10.0.0.1]", "[::ffff:10.0.0.1]"),
        ("3com.com", "3com.com"),
    ],
)
def test_host_accepts(text: str, value: str) -> None:
    assert validate.host(text, "host") == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "a..b",
        "-a",
        "a-",
        ".a",
        "a" * 64,
        ".".join(["a" * 60] * 5),
        "10.0.0",
        "10.0.0.256",
        "010.0.0.1",
        "1.2.3.4.",
        "0x7f.1",
        "a.0x1",
        "127.1",
        "2130706433",
        "[]",
        "[::1",
        "[fe80::1%eth0]",
        "[10.0.0.1]",
        "[:::]",
        "::1",
        "[::1]]",
        *[f"a{char}b" for char in HOSTILE],
        *[f"app{char}" for char in HOSTILE],
        *[f"[::1{char}]" for char in HOSTILE],
    ],
)
def test_host_refuses(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate.host(text, "host")
    assert_refused(caught.value)


def test_dns_name_has_no_underscore() -> None:
    with pytest.raises(InvalidInput):
        validate.dns_name("my_app.example.com", "TLS name")


@pytest.mark.parametrize(
    "text", ["0", "70000", "65536", "-1", "+1", "080", "", " 80", "80\n", "٣", "1e3", "8_0"]
)
def test_port_refuses(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate.port(text, "port")
    assert_refused(caught.value)


@pytest.mark.parametrize(("text", "value"), [("1", 1), ("65535", 65535)])
def test_port_accepts(text: str, value: int) -> None:
    assert validate.port(text, "port") == value


@pytest.mark.parametrize("text", ["X-A", "x", "Sec-WebSocket-Protocol", "Host", "X_Y", "!%&*+.^|~"])
def test_header_name_accepts(text: str) -> None:
    assert validate.header_name(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a:b",
        "a,b",
        "(a)",
        "Upgrade",
        "connection",
        "CONNECTION",
        "a" * 129,
        *[f"a{char}" for char in HOSTILE],
    ],
)
def test_header_name_refuses(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate.header_name(text)
    assert_refused(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "a b",
        'a "quoted" {word}; # x \\',
        "$host:$server_port",
        "${scheme}x",
        "$http_x_y $cookie_a $arg_b",
        "%7B",
    ],
)
def test_header_value_accepts(text: str) -> None:
    assert validate.header_value(text, "header X") == text


@pytest.mark.parametrize(
    "text",
    [
        " a",
        "a ",
        "$",
        "a$",
        "$$",
        "$1",
        "$-",
        "$uri",
        "$document_uri",
        "$hostname2",
        "$host_x",
        "$HOST",
        "${host",
        "${}",
        "${{host}}",
        "$http_",
        "$http_X",
        "$ssl_client_raw_cert",
        "$nginxws_upgrade",
        "a" * 4097,
        *[f"a{char}b" for char in HOSTILE if not 0x20 <= ord(char) < 0x7F],
    ],
)
def test_header_value_refuses(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate.header_value(text, "header X")
    assert_refused(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("App.example.com", "app.example.com"),
        ("a:8080", "a:8080"),
        ("[::1]", "[::1]"),
        ("[::1]:80", "[::1]:80"),
        ("$http_host", "$http_host"),
        ("$host:$server_port", "$host:$server_port"),
        ("10.0.0.1:1", "10.0.0.1:1"),
    ],
)
def test_host_header_accepts(text: str, value: str) -> None:
    assert validate.host_header(text) == value


@pytest.mark.parametrize(
    "text", ["", ":", "a:", "a:0", "a b", "$host x", "$evil", "::1", *[f"a{c}" for c in HOSTILE]]
)
def test_host_header_refuses(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate.host_header(text)
    assert_refused(caught.value)


@pytest.mark.parametrize(
    "text", ["", "/", "a", "./a", "~/a", "/a b", "/" + "a" * 1024, *[f"/a{c}" for c in HOSTILE]]
)
def test_node_file_refuses(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate.node_file(text, "CA file")
    assert_refused(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("90s", 90),
        ("5m", 300),
        ("1h", 3600),
        ("1d", 86400),
        ("1h30m", 5400),
        ("1m30", 90),
        ("365d", 31536000),
    ],
)
def test_parse_duration(text: str, seconds: int) -> None:
    assert validate.parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "0", "0s", "s", "1x", "-1", "1.5h", "1 h", "366d", "1s1m", "1h1h", "99999999d", "1h\n"]
)
def test_parse_duration_refuses(text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        validate.parse_duration(text)
    assert_refused(caught.value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (1, "1s"),
        (90, "90s"),
        (300, "5m"),
        (3600, "1h"),
        (5400, "90m"),
        (86400, "1d"),
        (90000, "25h"),
        (0, "0s"),
    ],
)
def test_format_duration(seconds: int, text: str) -> None:
    assert validate.format_duration(seconds) == text


@given(st.integers(1, validate.MAX_SECONDS))
def test_duration_round_trip(seconds: int) -> None:
    assert validate.parse_duration(validate.format_duration(seconds)) == seconds


@given(st.text())
def test_shown_is_printable_and_short(text: str) -> None:
    shown = validate.shown(text)
    assert shown.rstrip("…").isascii()
    assert shown.isprintable()
    assert len(shown) <= 81


@pytest.mark.parametrize("text", ["a" * 4092, '"' * 4092, "'" * 4092, "\\" * 2046, "\"'" * 1364])
def test_a_value_is_no_longer_than_nginx_takes(text: str) -> None:
    """Written with its quotes and backslashes it is a word of less than 4096 bytes."""
    assert validate.header_value(text, "header X") == text
    assert len(quote(text.encode())) < 4096
    with pytest.raises(InvalidInput, match="at most 4092"):
        validate.header_value(f"{text}\"'\\", "header X")
