"""The files of a plan: what can be read and written, and the proof of every edit."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.planning import MAIN, SITE, TWO, actions, failure, plan, put, snapshot

from nginxws.config.splice import apply_edits
from nginxws.errors import ConfigError, ParseError, SpliceError
from nginxws.planner import load_tree, make_plan
from nginxws.snapshot import FileState

# --- the tree -----------------------------------------------------------------------------------


def test_a_file_that_cant_be_parsed_stops_everything() -> None:
    files = {MAIN: SITE.replace(b"http {", b"http { include x.conf;"), "/etc/nginx/x.conf": b"server {"}
    error = failure(files, put())
    assert isinstance(error, ParseError)
    assert error.file == "/etc/nginx/x.conf"
    assert "the file was so before this command" in str(error.hint)
    assert "the file was so before" in str(failure(b"http {", put()).hint)


def test_a_missing_file_only_where_nginx_fails_as_well() -> None:
    data = SITE.replace(b"http {", b"http { include missing.conf;")
    assert actions(plan(data, put())) == ["add"]
    now = replace(snapshot(data), test_failure="nginx: [emerg] open() failed")
    with pytest.raises(ConfigError, match="missing"):
        make_plan(now, [put()])
    with pytest.raises(ConfigError):
        load_tree(now)


def test_a_test_that_fails_already_is_passed_on() -> None:
    now = replace(snapshot(SITE), test_failure="permission denied")
    assert make_plan(now, [put()]).test_refused


def test_one_file_under_two_names_isnt_written_twice() -> None:
    server = b"server { listen %d; server_name %s; location / { root /; } }\n"
    data = server % (80, b"a.example")
    now = snapshot(b"http { include a.conf; include b.conf; }")
    files = (
        *now.files,
        FileState("/etc/nginx/a.conf", "/srv/site.conf", data),
        FileState("/etc/nginx/b.conf", "/srv/site.conf", data.replace(b"80", b"81")),
    )
    both = [put(server="a.example:80"), put(server="a.example:81")]
    with pytest.raises(ConfigError, match="the same file as /etc/nginx/a"):
        make_plan(replace(now, files=files), both)


def test_a_path_spelled_in_another_way_is_known() -> None:
    files = {MAIN: b"http { include conf.d/../x.conf; }", "/etc/nginx/x.conf": TWO}
    result = plan(files, put(server="a.example"))
    assert [file.real for file in result.files] == ["/etc/nginx/x.conf"]


# --- the proof ----------------------------------------------------------------------------------


def test_an_edit_that_breaks_the_file_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nginxws.rewriting.apply_edits", lambda data, edits: data[:-2])
    error = failure(SITE, put())
    assert isinstance(error, SpliceError)
    assert "break the file" in error.message


def test_a_foreign_byte_changed_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "nginxws.rewriting.apply_edits",
        lambda data, edits: apply_edits(data, edits).replace(b"/srv", b"/SRV"),
    )
    assert isinstance(failure(SITE, put()), SpliceError)


def test_a_block_that_got_lost_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nginxws.rewriting.apply_edits", lambda data, edits: data)
    error = failure(SITE, put())
    assert isinstance(error, SpliceError)
    assert "can't be found again" in error.message
