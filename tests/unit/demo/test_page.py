"""The chat's page: its one address line, its fence, and what it must not need."""

from __future__ import annotations

import base64
import hashlib
import re

import pytest

from nginxws.demo import page


def test_the_address_is_written_into_one_line_only() -> None:
    plain, written = page.load().html, page.load("ws://chat.example.com/ws/").html
    before, after = plain.splitlines(), written.splitlines()
    differing = [new for old, new in zip(before, after, strict=True) if old != new]
    assert differing == ['const wsUri = "ws://chat.example.com/ws/";']


def test_an_address_can_not_leave_its_string() -> None:
    written = page.with_address("const wsUri = 1;", 'ws://x/";alert(1)//</script>\n\\1')
    assert written == 'const wsUri = "ws://x/\\";alert(1)//\\u003c/script>\\n\\\\1";'


@pytest.mark.parametrize("html", ["", "const wsUri = 1;\nconst wsUri = 2;"])
def test_the_address_line_must_be_there_once(html: str) -> None:
    with pytest.raises(ValueError, match="expected one"):
        page.with_address(html, "ws://x/")


@pytest.mark.parametrize("address", [None, "ws://chat.example.com/ws/"])
def test_the_policy_lets_exactly_the_own_script_and_style_run(address: str | None) -> None:
    loaded = page.load(address)
    for kind in ("script", "style"):
        inside = re.findall(rf"<{kind}>(.*?)</{kind}>", loaded.html, re.DOTALL)
        assert len(inside) == 1
        digest = base64.b64encode(hashlib.sha256(inside[0].encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}';" in loaded.policy
    assert "unsafe" not in loaded.policy


def test_the_page_needs_nothing_from_elsewhere() -> None:
    html = page.load().html
    assert len(html.encode()) < 15 * 1024
    elsewhere = set(re.findall(r"(?:https?:)?//[\w.-]+", re.sub(r"^\s*//.*|\s//\s.*", "", html, flags=re.M)))
    assert elsewhere == {"http://www.w3.org"}  # the name of SVG, not an address
    assert "innerHTML" not in html
    assert not re.search(r"\son\w+=", html)  # inline handlers, which the policy would stop


def test_the_script_and_the_labels_speak_of_elements_that_exist() -> None:
    html = page.load().html
    identifiers = re.findall(r'\bid="(\w+)"', html)
    assert len(identifiers) == len(set(identifiers))
    used = re.findall(r'\$\("#(\w+)', html) + re.findall(r'(?:for|aria-labelledby)="(\w+)"', html)
    assert set(used) <= set(identifiers)
    for field in re.findall(r"<(?:input|textarea) id=\"(\w+)\"", html):
        assert f'<label for="{field}"' in html
