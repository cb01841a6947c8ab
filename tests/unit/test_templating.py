"""Templates of the user's own, their errors, and the proof of what they render."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nginxws import templating
from nginxws.config.document import unquote
from nginxws.errors import InvalidInput, RenderError

PLAIN = {"locations": [{"match": "/ws/", "proxy_pass": "http://a:1"}]}


def fill(folder: Path, text: str | bytes, name: str = "plain.conf.j2") -> str:
    (folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    return templating.load(folder).fill(name, PLAIN, [])


def test_packaged_templates_are_all_there() -> None:
    found = templating.load(None)
    assert set(found.by_name) == set(templating.TEMPLATES)
    assert not found.own


def test_own_template_wins_and_others_stay(tmp_path: Path) -> None:
    text = fill(tmp_path, "location {{ locations[0].match }} {\n\n  return 204;   \n \t\n}\n\n")
    assert text == "location /ws/ {\n  return 204;\n}"
    found = templating.load(tmp_path)
    assert found.own == {"plain.conf.j2"}
    assert set(found.by_name) == set(templating.TEMPLATES)


def test_a_wheels_own_templates_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nginxws").mkdir()
    monkeypatch.setattr(templating, "__file__", str(tmp_path / "nginxws" / "templating.py"))
    assert templating._packaged() == tmp_path / "templates"
    (tmp_path / "nginxws" / "_templates").mkdir()
    assert templating._packaged() == tmp_path / "nginxws" / "_templates"


def test_own_template_quotes(tmp_path: Path) -> None:
    assert fill(tmp_path, "a {{ 'x y;' | quote }};") == 'a "x y;";'


def test_undefined_name_has_file_and_line(tmp_path: Path) -> None:
    with pytest.raises(RenderError, match="nothing_known") as caught:
        fill(tmp_path, "location /ws/ {\n}\n\n{{ nothing_known }}\n")
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "plain.conf.j2"), 4)
    assert caught.value.hint


@pytest.mark.parametrize("text", ["\n{% if %}", "\n{{ ", "\n{% endfor %}"])
def test_broken_template_has_file_and_line(tmp_path: Path, text: str) -> None:
    with pytest.raises(RenderError) as caught:
        fill(tmp_path, text)
    assert (caught.value.file, caught.value.line) == (str(tmp_path / "plain.conf.j2"), 2)


def test_template_in_another_encoding(tmp_path: Path) -> None:
    with pytest.raises(RenderError):
        fill(tmp_path, b"# \xe9\nlocation / { }\n")


@pytest.mark.parametrize("text", ["{{ 1 / 0 }}", "{{ locations[3].match }}", "{{ locations + 1 }}"])
def test_failing_template(tmp_path: Path, text: str) -> None:
    with pytest.raises(RenderError) as caught:
        fill(tmp_path, text)
    assert caught.value.line == 1


@pytest.mark.parametrize("text", ["location / {", "}", "a", 'a "b;', "", "\n", "# only a comment", "{ }"])
def test_malformed_text(tmp_path: Path, text: str) -> None:
    with pytest.raises(RenderError) as caught:
        fill(tmp_path, text)
    assert caught.value.file == str(tmp_path / "plain.conf.j2")


@pytest.mark.parametrize("name", ["", "other.conf.j2"])
def test_folder_without_templates(tmp_path: Path, name: str) -> None:
    if name:
        (tmp_path / name).write_text("")
    with pytest.raises(InvalidInput, match="no template") as caught:
        templating.load(tmp_path)
    assert "location.conf.j2" in (caught.value.hint or "")


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput):
        templating.load(tmp_path / "nowhere")


@pytest.mark.parametrize(
    "expected",
    [
        [],
        [((b"location", 3), [(b"proxy_pass", 2)])],
        [((b"location", 2), [])],
        [((b"location", 2), [(b"proxy_http_version", 2), (b"proxy_pass", 2)])],
        [((b"location", 2), [(b"proxy_pass", 3)])],
    ],
)
def test_packaged_template_must_hold_what_is_expected(expected: list[templating.Block]) -> None:
    with pytest.raises(RenderError, match="other directives"):
        templating.load(None).fill("plain.conf.j2", PLAIN, expected)


@pytest.mark.parametrize(
    ("match", "proxy_pass"),
    [
        ("/ws/ { } location /x", "http://a:1"),
        ("/ws/ { return 1; } #", "http://a:1"),
        ("/ws/ {\n allow all;", "http://a:1"),
        ("/ws/ x", "http://a:1"),
        ("/ws/ { a { } } location /b", "http://a:1"),
        ("/ws/", "http://a:1; allow all"),
        ("/ws/", "http://a:1; # gone"),
        ("/ws/", "http://a:1 b"),
        ("/ws/", "http://a:1; } location /x { proxy_pass http://b:1"),
    ],
)
def test_injection_through_a_word_is_caught(match: str, proxy_pass: str) -> None:
    """Were a whitelist to fail one day, the proof still holds."""
    body = [(b"proxy_http_version", 2), (b"proxy_pass", 2), *[(b"proxy_set_header", 3)] * 2]
    found = templating.load(None)
    assert found.fill("plain.conf.j2", PLAIN, [((b"location", 2), body)])
    bad = {"locations": [{"match": match, "proxy_pass": proxy_pass}]}
    with pytest.raises(RenderError):
        found.fill("plain.conf.j2", bad, [((b"location", 2), body)])


def told(error: RenderError | InvalidInput) -> str:
    return f"{error}\nhint: {error.hint}"


@pytest.mark.parametrize(
    ("text", "message", "hint", "detail"),
    [
        (
            "a;\n\n{{ 1 / 0 }}",
            "3: template failed: division by zero",
            "the comment at the top of the built-in template lists the variables",
            None,
        ),
        (
            "{% if %}",
            "1: template can't be read: Expected an expression, got 'end of statement block'",
            "mend the template, or remove it to use the built-in one",
            None,
        ),
        (
            "a;\n\nb { ",
            " rendered text isn't NGINX configuration: line 2:"
            ' a "}" is missing: the file ends inside this block',
            "check the template's quotes, semicolons and braces",
            "a;\nb {",
        ),
        ("# a", " template rendered no directive", "mend the template", None),
    ],
)
def test_what_is_said_of_a_template(
    tmp_path: Path, text: str, message: str, hint: str, detail: str | None
) -> None:
    with pytest.raises(RenderError) as caught:
        fill(tmp_path, text)
    assert told(caught.value) == f"{tmp_path}/plain.conf.j2:{message}\nhint: {hint}"
    assert caught.value.detail == detail


def test_what_is_said_of_a_folder_without_templates(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput) as caught:
        templating.load(tmp_path)
    assert told(caught.value) == (
        f"folder {str(tmp_path)!a} holds no template\n"
        "hint: put one of these into it: location.conf.j2, plain.conf.j2, upstream.conf.j2, maps.conf.j2"
    )


def test_what_is_said_of_our_own_template() -> None:
    with pytest.raises(RenderError) as caught:
        templating.load(None).fill("plain.conf.j2", PLAIN, [])
    where = Path(__file__).parents[2] / "templates" / "plain.conf.j2"
    assert told(caught.value) == (
        f"{where}: rendered text holds other directives than the route asks for\n"
        "hint: please report this as a bug of nginxws, with the command and its options"
    )
    assert str(caught.value.detail).startswith("location /ws/ {\n")


def test_a_built_in_template_that_fails_names_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "shipped").mkdir()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "maps.conf.j2").write_text("a;")
    monkeypatch.setattr(templating, "_packaged", lambda: tmp_path / "shipped")
    with pytest.raises(RenderError) as caught:
        templating.load(tmp_path / "own")
    assert (caught.value.file, caught.value.line) == (f"{tmp_path}/shipped/location.conf.j2", None)


def test_templates_are_strict_and_terse(tmp_path: Path) -> None:
    text = "  {% if true %}\n  a {{ '<&>' }};\n  {% endif %}\nb;"
    assert fill(tmp_path, text) == "  a <&>;\nb;"
    with pytest.raises(RenderError, match="undefined"):
        fill(tmp_path / ".." / tmp_path.name, "{{ unknown }}")


@given(
    st.text(st.characters(exclude_categories=["Cs"]))
    | st.binary().map(lambda data: data.decode("utf-8", "surrogateescape"))
)
def test_word_round_trip(text: str) -> None:
    data = templating.word(text).encode("utf-8", "surrogateescape")
    assert unquote(data).decode("utf-8", "surrogateescape") == text
