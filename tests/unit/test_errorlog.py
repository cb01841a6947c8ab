"""Where NGINX says why a reload failed."""

from __future__ import annotations

import pytest

from nginxws.config.tree import MappingReader, load
from nginxws.errorlog import error_logs
from nginxws.snapshot import NginxInfo, Snapshot

MAIN = "/e/nginx.conf"


def logs(text: str, prefix: str = "", dash_v: str = "") -> tuple[str, ...]:
    files = {MAIN: text.encode(), "/e/log.conf": b"error_log /var/log/inc.log;"}
    now = Snapshot("n", NginxInfo(conf=MAIN, main=MAIN, prefix=prefix, dash_v=dash_v), ())
    return error_logs(now, load(MAIN, MappingReader(files), context=()))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("error_log /var/log/nginx/error.log warn;", ("/var/log/nginx/error.log",)),
        ("error_log /a.log; error_log /b.log debug; error_log /a.log;", ("/a.log", "/b.log")),
        ("include log.conf;", ("/var/log/inc.log",)),
        ("error_log 'logs/my errors.log';", ("/p/logs/my errors.log",)),
        ("error_log stderr.log;", ("/p/stderr.log",)),
        ("error_log stderr;", ()),
        ("error_log syslog:server=10.0.0.1;", ()),
        ("error_log memory:32m debug;", ()),
        ("http { error_log /http.log; }", ("/p/built.log",)),
        ("error_log;", ("/p/built.log",)),
    ],
)
def test_the_logs_of_the_main_context(text: str, expected: tuple[str, ...]) -> None:
    assert logs(text, "/p", "configure arguments: --error-log-path=built.log") == expected


def test_what_nginx_was_built_with() -> None:
    dash_v = "configure arguments: --prefix=/built --error-log-path=/var/log/e.log --with-x"
    assert logs("", dash_v=dash_v) == ("/var/log/e.log",)
    assert logs("error_log e.log;", dash_v=dash_v) == ("/built/e.log",)
    assert logs("error_log e.log;") == ("/usr/share/nginx/e.log",)
    assert logs("", dash_v="configure arguments: --error-log-path=stderr") == ()
    assert logs("") == ()
