"""The pages hold together: links lead somewhere, commands in them exist, nothing private stands in them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from nginxws.cli import cli

_FENCE = re.compile(r"^```(console|sh)\n(.*?)^```", re.M | re.S)
_LINK = re.compile(r"\[[^\]\n]*\]\(([^)\s]+)\)")
_END_OF_COMMAND = {"|", "||", "&&", ";", ">", ">>", "<", "&", "<<<"}
_DECISIONS = ("Status", "Context", "Decision", "Consequences")


def test_links_resolve(root: Path, pages: dict[str, str]) -> None:
    broken = []
    for page, text in pages.items():
        for target in _LINK.findall(_without_code(text)):
            file, _, anchor = target.partition("#")
            if "://" in target or target.startswith("mailto:"):
                continue
            place = (root / page).parent / file if file else root / page
            if not place.exists() or (anchor and anchor not in _anchors(place.read_text())):
                broken.append(f"{page}: {target}")
    assert not broken


def test_every_page_of_the_documentation_is_linked(root: Path, pages: dict[str, str]) -> None:
    linked = {
        ((root / page).parent / target.partition("#")[0]).resolve()
        for page, text in pages.items()
        for target in _LINK.findall(text)
    }
    lonely = [page for page in pages if page.startswith("docs/") and (root / page).resolve() not in linked]
    assert not lonely


def test_commands_in_the_pages_exist(commands: dict[str, click.Command], pages: dict[str, str]) -> None:
    seen = 0
    for page, text in pages.items():
        for words in _invocations(text):
            if words[0] in ("--version", "--help", "COMMAND"):
                continue
            said = f"{page}: nginxws {' '.join(words)}"
            assert words[0] in commands, said
            if isinstance(commands[words[0]], click.Group):
                words = [" ".join(words[:2]), *words[2:]]
                assert words[0] in commands, said
            _parse(commands[words[0]], words, page)
            seen += 1
    assert seen > 30


def test_a_wrong_option_would_be_found(commands: dict[str, click.Command]) -> None:
    page = "```console\n$ FOO=1 nginxws add-route /ws/ 10.0.0.5:8080 \\\n    --nod lb1 | cat\n```\n"
    (words,) = _invocations(page)
    with pytest.raises(AssertionError, match="--nod"):
        _parse(commands["add-route"], words, "page")


def test_decisions_have_the_same_shape(pages: dict[str, str]) -> None:
    decisions = {page: text for page, text in pages.items() if re.match(r"docs/decisions/\d", page)}
    assert len(decisions) >= 11
    for page, text in decisions.items():
        number = Path(page).name[:4]
        assert text.startswith(f"# {int(number)}. "), page
        assert re.findall(r"^## (\w+)", text, re.M) == list(_DECISIONS), page
        assert len(text.splitlines()) < 60, page


def _invocations(text: str) -> Iterator[list[str]]:
    """The words after ``nginxws`` of every command line in the fenced blocks."""
    for kind, block in _FENCE.findall(text):
        for line in block.replace("\\\n", " ").split("\n"):
            if kind == "console" and not line.startswith("$ "):
                continue
            words = shlex.split(line.removeprefix("$ "), comments=True)
            for start, word in enumerate(words):
                if word == "nginxws" and words[start + 1 :]:
                    rest = words[start + 1 :]
                    end = next((i for i, one in enumerate(rest) if one in _END_OF_COMMAND), len(rest))
                    yield [one for one in rest[:end] if not re.fullmatch(r"\d?>.*|\d<.*", one)]
                    break


def _parse(command: click.Command, words: list[str], page: str) -> None:
    """Option names, their number of arguments, and choices; files needn't be there."""
    # A command keeps its help option: it must be made with the names that it always has.
    context = click.Context(command, info_name=words[0], **cli.context_settings)
    said = f"{page}: nginxws {' '.join(words)}"
    try:
        values, _rest, _order = command.make_parser(context).parse_args(words[1:])
    except click.UsageError as error:
        raise AssertionError(f"{said}: {error.message}") from error
    for parameter in command.params:
        value = values.get(parameter.name)
        if isinstance(parameter.type, click.Choice) and isinstance(value, str):
            assert value in parameter.type.choices, said


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.M | re.S)


def _anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", text, re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
