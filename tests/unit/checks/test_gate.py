"""The crossplane gate: what is new stops, what was there doesn't."""

from __future__ import annotations

import gc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws.checks.gate import Context, GateResult, new_errors

MAIN = "/etc/nginx/nginx.conf"
SITE = "/etc/nginx/sites-enabled/a"
CASES = Path(__file__).parents[2] / "cases" / "render"
SHELL = b"events {}\nhttp {\n    server {\n        listen 80;\n%b\n    }\n}\n"
FALSE_POSITIVE = b"        if ($a) { include x; }"  # crossplane knows no include in if
WRONG = b"        proxy_pass http://a;"  # not allowed in a server block


def gate(before: bytes | None, after: bytes, **options: dict[str, set[Context]]) -> GateResult:
    return new_errors({} if before is None else {MAIN: before}, {MAIN: after}, MAIN, **options)


def lines(result: GateResult) -> tuple[list[int | None], list[int | None]]:
    return [finding.line for finding in result.new], [finding.line for finding in result.old]


def test_good_change() -> None:
    assert gate(SHELL % b"", SHELL % b"location / { }") == GateResult((), ())


def test_new_error_is_described() -> None:
    (finding,) = gate(SHELL % b"", SHELL % WRONG).new
    assert (finding.rule, finding.severity, finding.file, finding.line) == ("crossplane", "error", MAIN, 5)
    assert finding.message == '"proxy_pass" directive is not allowed here'
    assert finding.hint


def test_old_error_does_not_stop_and_keeps_its_new_line() -> None:
    result = gate(SHELL % FALSE_POSITIVE, SHELL % (b"location / { }\n\n" + FALSE_POSITIVE))
    assert lines(result) == ([], [7])
    assert result.old[0].severity == "warning"


def test_new_beside_old() -> None:
    assert lines(gate(SHELL % FALSE_POSITIVE, SHELL % (WRONG + b"\n" + FALSE_POSITIVE))) == ([5], [6])


@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        ([b"a"], [b"a", b"b"], [6]),
        ([b"b"], [b"a", b"b"], [5]),
        ([b"a"], [b"a", b"a"], [6]),
        ([b"a", b"b"], [b"b"], []),
        ([b"a"], [b"b"], []),  # the same error, its line edited
        ([b"a", b"b"], [b"c", b"a", b"b"], [5]),
    ],
)
def test_equal_messages_are_counted(before: list[bytes], after: list[bytes], new: list[int]) -> None:
    def body(values: list[bytes]) -> bytes:
        return SHELL % b"\n".join(b"proxy_pass http://%b;" % value for value in values)

    assert lines(gate(body(before), body(after)))[0] == new


def test_unchanged_files_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args: object, **_options: object) -> None:
        raise AssertionError("parsed")

    monkeypatch.setattr("crossplane.parse", never)
    files = {MAIN: SHELL % WRONG, SITE: b"}"}
    assert new_errors(files, dict(files), MAIN) == GateResult((), ())


def test_before_is_parsed_only_when_after_has_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    import crossplane

    parsed: list[bytes] = []
    real: Callable[..., object] = crossplane.parse

    def spy(path: str, **options: object) -> object:
        parsed.append(Path(path).read_bytes())
        return real(path, **options)

    monkeypatch.setattr("crossplane.parse", spy)
    gate(SHELL % WRONG, SHELL % b"")
    assert len(parsed) == 1
    gate(SHELL % b"", SHELL % WRONG)
    assert len(parsed) == 3


@pytest.mark.parametrize(
    ("context", "text"),
    [
        (("http",), b"server { listen 80; }\nmap $a $b { default 1; }"),
        (("http", "server"), b"location / { proxy_pass http://a; }\nreturn 404;"),
        (("http", "server", "location"), b"proxy_pass http://a;"),
        (("http", "server", "location", "location"), b"proxy_pass http://a;"),
        (("http", "server", "if"), b"return 404;"),
        (("http", "server", "location", "if"), b"proxy_pass http://a;"),
        (("http", "server", "location", "limit_except"), b"deny all;"),
        (("http", "upstream"), b"server a:1 weight=2;\nleast_conn;"),
        (("http", "map"), b"~x 1;\ndefault 2;"),
        (("http", "geo"), b"10.0.0.0/8 1;"),
        (("http", "split_clients"), b"50% a;"),
        (("http", "types"), b"text/html html htm;"),
        (("stream", "server"), b"listen 1;\nproxy_pass a:1;"),
        (("stream", "upstream"), b"server a:1;"),
        (("events",), b"worker_connections 1;"),
        ((), b"events { }\nhttp { }"),
    ],
)
def test_included_files_stand_in_their_context(context: Context, text: bytes) -> None:
    def check(data: bytes) -> GateResult:
        return new_errors({}, {SITE: data}, MAIN, {SITE: {context}})

    assert check(text) == GateResult((), ())
    assert check(text + b" # comment without line end") == GateResult((), ())
    wrong = b"worker_processes" if context else b"proxy_pass"
    known = len(context) < 2 or context[1] not in ("map", "geo", "split_clients", "types")
    assert lines(check(b"# first\n" + text + b"\n%b a b;" % wrong))[0] == (
        [text.count(b"\n") + 3] if known else []
    )


def test_every_context_counts() -> None:
    text = b"proxy_pass http://a;"
    result = new_errors({}, {SITE: text}, MAIN, {SITE: {("http", "server"), ("http", "server", "location")}})
    assert lines(result) == ([1], [])


def test_unknown_context_checks_arguments_only() -> None:
    files = {SITE: b"proxy_pass http://a;\nproxy_pass a b;"}
    assert lines(new_errors({}, files, MAIN)) == ([2], [])
    assert lines(new_errors({}, files, MAIN, {SITE: set()})) == ([2], [])


def test_includes_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "x.conf").write_text("nonsense {")
    text = SHELL % b"include %b/*.conf;\ninclude /no/such/file;" % bytes(tmp_path)
    assert gate(None, text) == GateResult((), ())


@pytest.mark.parametrize("text", [b"events {", b"events { }\nuser", b"}", b'user "a', b"user a b c"])
def test_unfinished_files_are_errors(text: bytes) -> None:
    (finding,) = gate(None, text).new
    assert finding.message
    assert finding.message.isprintable()


def test_bytes_that_are_not_text() -> None:
    text = SHELL % b"# \xe9\r\xff\rx\n        server_name \xe4.example;\n" + b"\xff on;\n"
    assert gate(None, text) == GateResult((), ())
    assert lines(gate(text, text.replace(b"\xff on;", b"listen 80;"))) == ([10], [])


def test_messages_hold_no_control_characters() -> None:
    (finding,) = gate(None, b"events { multi_accept \x1b[31m\xff; }").new
    assert finding.message.startswith('invalid value "\\x1b[31m')


@given(st.binary(max_size=60) | st.text("ab {};\"'\\\n\r$#", max_size=60).map(str.encode))
def test_no_bytes_crash_it(data: bytes) -> None:
    result = new_errors(
        {MAIN: b"", SITE: b"a;"}, {MAIN: data, SITE: data}, MAIN, {SITE: {("http", "server")}}
    )
    for finding in (*result.new, *result.old):
        assert finding.line is None or 1 <= finding.line <= data.count(b"\n") + 1
    assert gc.isenabled()


@pytest.mark.parametrize("case", sorted(CASES.iterdir()), ids=lambda case: case.name)
def test_our_own_blocks_never_stop_us(case: Path) -> None:
    shared, _, own = (case / "expected.conf").read_bytes().partition(b"# server\n")
    after = b"events { }\nhttp {\n" + shared + b"server {\n" + own + b"}\n}\n"
    assert gate(b"events { }\nhttp {\n}\n", after) == GateResult((), ())
    assert new_errors({}, {SITE: own}, MAIN, {SITE: {("http", "server")}}) == GateResult((), ())


def test_a_disabled_collector_stays_disabled() -> None:
    gc.disable()
    try:
        gate(None, SHELL % b"")
        assert not gc.isenabled()
    finally:
        gc.enable()
