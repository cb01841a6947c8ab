"""``nginxws env export``: where it writes, and what it says of wrong options."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from nginxws.cli import run

MANIFEST = """format = 1
[environment]
domain = "chat.example.com"
[nodes.lb1]
ssh = "deploy@10.0.0.2"
[apps.chat]
address = "10.0.0.5"
port = 8080
source = "chat"
target = "/srv/chat"
[[apps.chat.websocket]]
file = "page.js"
placeholder = "@@WS@@"
[[routes]]
path = "/ws/"
backend = "app:chat"
"""


@pytest.fixture
def manifest(tmp_path: Path) -> str:
    (tmp_path / "chat").mkdir()
    (tmp_path / "chat" / "page.js").write_text("url = '@@WS@@'\n")
    (tmp_path / "nginxws.toml").write_text(MANIFEST)
    return str(tmp_path / "nginxws.toml")


def test_on_stdout_and_in_a_file(manifest: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = [
        "env",
        "export",
        "--format",
        "compose",
        "--manifest",
        manifest,
        "--image",
        "chat=a=b",
        "--run",
        "chat=x",
    ]
    assert run(arguments) == 0
    text = capsys.readouterr().out
    document = yaml.safe_load(text)
    assert document["services"]["chat"]["image"] == "a=b"
    assert document["configs"]["chat_0"]["content"] == "url = 'ws://chat.example.com/ws/'\n"
    out = tmp_path / "compose.yaml"
    assert run([*arguments, "--out", str(out)]) == 0
    assert (out.read_text(), capsys.readouterr().out) == (text, "")


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--format", "compose"], 64, "chat needs a container image"),
        (["--format", "compose", "--image", "chat"], 64, "isn't APP=VALUE"),
        (["--format", "shell", "--only", "lb2"], 64, "called lb2"),
        (["--format", "shell", "--out", "/nowhere/x"], 1, "cannot write it"),
        ([], 64, "--format"),
    ],
)
def test_what_is_wrong(
    manifest: str, options: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["env", "export", "--manifest", manifest, *options]) == code
    said = capsys.readouterr()
    assert message in said.err
    assert said.out == ""
