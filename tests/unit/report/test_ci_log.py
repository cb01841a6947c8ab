"""Text that a CI service would take for commands."""

from __future__ import annotations

import pytest

from nginxws.report.ci_log import Fenced, fenced, in_json, spelled

GITHUB, AZURE, GITLAB = {"GITHUB_ACTIONS": "true"}, {"TF_BUILD": "True"}, {"GITLAB_CI": "true"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("::add-mask::x", "\\x3a:add-mask::x"),
        ("a\n \t\u00a0\u200b::add-mask::x", "a\n \t\u00a0\u200b\\x3a:add-mask::x"),
        ("lb1: ::add-mask::x", "lb1: ::add-mask::x"),
        ("a ##[error]x ##vso[t]y ##teamcity[z]", "a \\x23#[error]x \\x23#vso[t]y \\x23#teamcity[z]"),
        ("###[x", "#\\x23#[x"),
        ("## [x] #[y]", "## [x] #[y]"),
        ("[::1]:80", "[::1]:80"),
    ],
)
@pytest.mark.parametrize("environ", [GITHUB, AZURE, GITLAB])
def test_messages_are_spelled_out_in_ci_alone(text: str, shown: str, environ: dict[str, str]) -> None:
    assert spelled(text, environ) == shown
    assert spelled(text, {"CI": "true", "GITHUB_ACTIONS": "false"}) == text


@pytest.mark.parametrize("line", [" ::add-mask::x", "+a ##[error]x", " a\r::add-mask::x"])
def test_github_is_told_to_look_away(line: str) -> None:
    diff = f"--- a/x\n+++ b/x\n{line}\n"
    first, second = fenced(diff, GITHUB), fenced(diff, GITHUB)
    token = first.after.strip(":\n")
    assert (first.before, first.after) == (f"::stop-commands::{token}\n", f"::{token}::\n")
    assert (first.diff, first.exact) == (diff, True)
    assert len(token) == 32
    assert second.before != first.before, "nobody can know the word that ends it"
    assert fenced(diff, {}) == Fenced(diff)


def test_a_harmless_diff_has_no_fence() -> None:
    diff = "--- a/x\n+++ b/x\n+::add-mask::x\n-::1\n \u00e9 a::b\n"
    for environ in (GITHUB, AZURE, GITLAB, {}):
        assert fenced(diff, environ) == Fenced(diff)


def test_services_that_cant_look_away() -> None:
    section = "+\x1b[0Ksection_start:1:x\r\x1b[0K\n+section_start:1:x\n"
    shown = "+\x1b[0Ksection_start\\x3a1:x\r\x1b[0K\n+section_start:1:x\n"
    assert fenced(section, GITLAB) == Fenced(shown, exact=False)
    assert fenced("+##vso[x]\n", AZURE) == Fenced("+\\x23#vso[x]\n", exact=False)


def test_json_says_the_same() -> None:
    assert in_json('{"a": "##[x] ::y"}') == '{"a": "\\u0023#[x] ::y"}'
