"""Configurations as people write them, and what may be wanted of them: for hypothesis."""

from __future__ import annotations

import re

from hypothesis import strategies as st

from nginxws.plan import Drop, Put
from nginxws.route import Route
from nginxws.snapshot import FileState, NginxInfo, Snapshot

MAIN = "/n/nginx.conf"
SITES = "/n/sites/a.conf"
PATHS = ("/ws/", "/ws", "/live/chat/", "/a.b/")
BACKENDS = (["10.0.0.5:8080"], ["10.0.0.5:1", "10.0.0.6:1 weight=2"], ["unix:/run/x.sock"])


def snapshot(files: dict[str, bytes]) -> Snapshot:
    states = tuple(FileState(path, path, data) for path, data in files.items())
    return Snapshot("n", NginxInfo(conf=MAIN, main=MAIN), states)


# White space and comments as people leave them: tabs, one line, CRLF is put in at the end.
gaps = st.sampled_from([b"\n", b" ", b"\n    ", b"\n\t", b"\n\n  ", b" # caf\xe9 }\n", b"\n#x\n  "])
statements = st.sampled_from(
    [
        b"root /srv;",
        b"location / { root /srv; }",
        b"location = /x { return 204; }",
        b'location ~ \\.php$ {\n  return 200 "a;b}";\n}',
        b"proxy_set_header X-A 'b c';",
        b"if ($a) { return 403; }",
        b"set $caf 'caf\xe9';",
    ]
)


# The maps go after these.
tuning = st.sampled_from([b"", b"map_hash_max_size 4096;", b"map_hash_bucket_size 128; gzip on;"])


@st.composite
def servers(draw: st.DrawFn, number: int) -> bytes:
    text = b"server {"
    listen = b"listen %d; server_name s%d.example;" % (80 + number, number)
    for statement in [listen, *draw(st.lists(statements, max_size=4))]:
        text += draw(gaps) + statement
    return text + draw(gaps) + b"}"


@st.composite
def configurations(draw: st.DrawFn) -> dict[str, bytes]:
    gap = st.shared(gaps, key="gap")
    outer = draw(servers(0)) + draw(gap) + draw(servers(1))
    main = b"events { }" + draw(gap) + b"http {" + draw(gaps) + b"include sites/*.conf;" + draw(gaps)
    files = {
        MAIN: main + outer + draw(gaps) + draw(tuning) + draw(gaps) + b"}",
        SITES: draw(servers(2)) + draw(gaps) + draw(tuning) + draw(gaps),
    }
    if draw(st.booleans()):
        files[MAIN] += b"\n"
    if draw(st.booleans()):
        files = {path: data.replace(b"\n", b"\r\n") for path, data in files.items()}
    return files


wanted = st.builds(
    lambda server, path, backends, slashless: Put(
        Route.create(path, backends, slashless=slashless if path.endswith("/") else None),
        server=f"s{server}.example",
    ),
    st.integers(0, 2),
    st.sampled_from(PATHS),
    st.sampled_from(BACKENDS),
    st.sampled_from(["alias", "none"]),
)
unwanted = st.builds(
    lambda server, path: Drop(path, server=f"s{server}.example"), st.integers(0, 2), st.sampled_from(PATHS)
)


def foreign(data: bytes) -> bytes:
    """The bytes that aren't between marker lines: a reading of its own, made without nginxws."""
    kept: list[bytes] = []
    inside = False
    for line in data.split(b"\n"):
        words = line.split()
        marker = words[:2] == [b"#", b"nginxws:"]
        if marker and words[2] == b"begin" and words[-1] == b"inline":
            kept[-1:] = [kept[-1].removesuffix(b"\r") + b"<joined>"] if kept else []
        inside = inside or (marker and words[2] == b"begin")
        if not inside:
            kept.append(line)
        inside = inside and not (marker and words[2] == b"end")
    return re.sub(rb"<joined>\n", b"", b"\n".join(kept))
