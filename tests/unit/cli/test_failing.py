"""Commands that get nowhere: their error in words, and as JSON where that was asked for."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest

from nginxws.cli import cli, run
from nginxws.cli.failing import wanted_format

Run = Callable[..., Any]
TOP = ["format_version", "changed", "failed", "rc", "msg", "error"]


def failed(ran: Any) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(ran.out)
    assert list(document) == TOP
    assert (document["format_version"], document["changed"], document["failed"]) == ("1.0", False, True)
    assert document["rc"] == document["error"]["code"] == ran.code
    assert ran.err.startswith(f"error: {document['msg']}\n"), "people are told, too"
    return document


@pytest.mark.parametrize(
    "arguments",
    [
        ["add-route", "--format", "json"],
        ["add-route", "--format=json", "/ws/"],
        ["add-route", "/ws/", "h:1", "--nope", "--format", "json"],
        ["add-route", "/ws/", "h:1", "--format", "json", "--lock-timeout", "soon"],
        ["remove-route", "/x", "--file", "/nowhere", "--format", "json"],
        ["list-routes", "--ssh-config", "/nowhere", "--format", "json"],
        ["list-routes", "--node", "http://a", "--format", "json"],
        ["recover", "--node", "ssh://a:port", "--format", "json"],
        ["unlock", "--node", "a", "--nginx-conf", "relative", "--format", "json"],
        ["probe", "ftp://x", "--format", "json"],
        ["--format", "json", "add-route"],
        ["add-rout", "--format", "json"],
        ["demo", "--format", "json"],
    ],
)
def test_a_usage_error_as_json(nginxws: Run, arguments: list[str]) -> None:
    ran = nginxws(*arguments)
    assert ran.code == 64
    document = failed(ran)
    assert document["error"]["kind"] == "InvalidInput"
    assert document["error"]["hint"]


def test_the_variable_counts_too(nginxws: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NGINXWS_FORMAT", "json")
    failed(nginxws("add-route"))
    assert nginxws("add-route", "--format", "text").out == "", "the command line wins"
    assert nginxws("render").out == "", "the command has no such option"
    assert nginxws("nope").out == ""
    assert nginxws().out == ""


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        (["add-route", "--format", "json"], True),
        (["add-route", "--format", "json", "--format", "text"], False),
        (["add-route", "--format", "text", "--format=json"], True),
        (["add-route", "--format"], False),
        (["add-route", "--", "--format", "json"], False),
        (["probe", "--format", "text"], False),
        ([], False),
    ],
)
def test_what_counts_as_asking(nginxws: Run, arguments: list[str], wanted: bool) -> None:
    assert (wanted_format(arguments, cli) == "json") is wanted


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (OSError(28, "No space left"), 1, "NginxwsError"),
        (KeyError("x"), 1, "NginxwsError"),
        (click.Abort(), 130, "Interrupted"),
    ],
)
def test_other_ends_as_json(
    nginxws: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, kind: str
) -> None:
    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr(cli.get_command(click.Context(cli), "list-routes"), "callback", fail)
    ran = nginxws("list-routes", "--format", "json")
    assert ran.code == code
    assert failed(ran)["error"]["kind"] == kind


def test_the_words_come_even_if_the_document_cant(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left")

    monkeypatch.setattr("nginxws.report.document.show_json", full)
    assert run(["add-route", "--format", "json"]) == 64
    assert capsys.readouterr().err.startswith("error: Missing argument 'PATH'.\n")


def test_the_arguments_of_the_process(
    nginxws: Run, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "argv", ["nginxws", "list-routes", "--nope", "--format", "json"])
    assert run() == 64
    assert json.loads(capfd.readouterr().out)["rc"] == 64
