"""The chat's page: what is part of it, its one address, its fence, and what it must not need."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nginxws.demo import page
from nginxws.errors import NginxwsError

HTML, CSS, JS = (page.load()[path].text for path in ("/", "/chat.css", "/chat.js"))


def test_the_page_that_comes_with_nginxws() -> None:
    loaded = page.load()
    assert loaded.keys() == {"/", "/index.html", "/chat.css", "/chat.js"}
    assert loaded["/"] == loaded["/index.html"]
    assert loaded["/chat.js"].type == "text/javascript; charset=utf-8"


def test_the_address_stands_in_one_place() -> None:
    """As people look for it: the source document calls it ``wsUri`` too."""
    assert re.findall(r'wsUri = "([^"]*)"', HTML + CSS + JS) == ["/ws/"]
    assert 'const wsUri = "/ws/";' in JS.splitlines()


def test_only_a_page_is_served(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / ".git").mkdir()
    for name in ("index.html", "parts/a.js", "secret.txt", "chat.js.bak", ".hidden.html", ".git/x.html"):
        (tmp_path / name).write_text(name)
    (tmp_path / "link.html").symlink_to("/etc/hostname")
    (tmp_path / "folder.css").mkdir()
    assert page.load(tmp_path).keys() == {"/", "/index.html", "/parts/a.js"}


def test_a_folder_without_a_page(tmp_path: Path) -> None:
    with pytest.raises(NginxwsError, match=r"there is no index\.html") as error:
        page.load(tmp_path)
    assert error.value.file == str(tmp_path)


def test_files_that_can_not_be_a_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    index = tmp_path / "index.html"
    index.write_bytes(b"\xff\xfe")
    with pytest.raises(NginxwsError, match="isn't UTF-8"):
        page.load(tmp_path)
    index.write_bytes(b"x" * page.MAX_SIZE)
    assert len(page.load(tmp_path)["/"].text) == page.MAX_SIZE
    index.write_bytes(b"x" * (page.MAX_SIZE + 1))
    with pytest.raises(NginxwsError, match="larger than 1048576 bytes"):
        page.load(tmp_path)
    index.write_text("small")
    for number in range(page.MAX_FILES):
        (tmp_path / f"{number}.js").touch()
    with pytest.raises(NginxwsError, match="more than 100 files"):
        page.load(tmp_path)

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(NginxwsError, match="can't read it: Permission denied"):
        page.load(tmp_path)


def test_the_page_needs_nothing_from_elsewhere() -> None:
    assert sum(len(text.encode()) for text in (HTML, CSS, JS)) < 24 * 1024
    elsewhere = set(re.findall(r"(?:https?:|wss?:)?//[\w.-]+", HTML + CSS + JS))
    assert elsewhere == {"http://www.w3.org"}  # the name of SVG, not an address
    assert set(re.findall(r'(?:src|href)="([^"#]*?)[":]', HTML)) == {"data", "chat.css", "chat.js"}
    assert "url(" not in CSS
    assert "@import" not in CSS


def test_the_policy_stops_nothing_that_the_page_does() -> None:
    assert "unsafe" not in page.POLICY
    assert not re.search(r"<style|<script>|\sstyle=|\son\w+=", HTML)
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(", JS)


def test_the_script_and_the_labels_speak_of_elements_that_exist() -> None:
    identifiers = re.findall(r'\bid="(\w+)"', HTML)
    assert len(identifiers) == len(set(identifiers))
    used = set(re.findall(r'\$\("#(\w+)', JS)) | set(re.findall(r"#([a-z]\w*)(?=[^;]*\{)", CSS))
    referred = set(re.findall(r'(?:for|aria-labelledby|aria-describedby)="(\w+)"', HTML))
    made = {"rename"}  # by the script
    assert used | referred <= {*identifiers, *made}
    for field in re.findall(r"<(?:input|textarea) id=\"(\w+)\"", HTML):
        assert f'<label for="{field}"' in HTML
