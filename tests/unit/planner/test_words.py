"""What users read when no plan can be made, word for word, and what a plan tells besides its changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from support.planning import MAIN, SITE, TWO, marker, plan, put, snapshot, steps

from nginxws.config.splice import apply_edits
from nginxws.errors import NginxwsError, ParseError, SpliceError
from nginxws.plan import Drop, Wanted
from nginxws.planner import load_tree, make_plan
from nginxws.snapshot import FileState

BUG = "nothing was changed; please report this as a bug"


def told(work: Callable[[], object]) -> str:
    with pytest.raises(NginxwsError) as caught:
        work()
    return f"{type(caught.value).__name__}: {caught.value}\nhint: {caught.value.hint}"


def refused(data: bytes, *wanted: Wanted) -> str:
    return told(lambda: plan(data, *wanted))


def test_a_file_that_cant_be_parsed() -> None:
    assert refused(b"a;\nhttp {", put()) == (
        f'ParseError: {MAIN}:2: a "}}" is missing: the file ends inside this block\n'
        "hint: close the block: the file was so before this command, which changed nothing"
    )


def test_a_missing_file_is_told_as_it_is() -> None:
    now = replace(snapshot(b"\ninclude gone;"), test_failure="open() failed")
    assert told(lambda: load_tree(now)) == (
        f"ConfigError: {MAIN}:2: the included file /etc/nginx/gone is missing or can't be read\n"
        "hint: create the file, or take this include out"
    )


def test_two_servers_have_the_route() -> None:
    both = steps(TWO, [put(server="a.example")], [put(server="b.example")])
    assert refused(both, Drop("/ws/")) == (
        "ServerChoiceError: 2 servers have a managed route /ws/\n"
        "hint: say which one\n"
        f"  --server a.example:80  ({marker(both)})\n"
        f"  --server b.example:8080  ({marker(both, number=1)})"
    )


def test_a_name_of_ours_is_taken() -> None:
    data = SITE.replace(b"http {", b"http {\nmap $a $nginxws_upgrade { }\nupstream nginxws_x { server a; }")
    assert refused(data, put()) == (
        f"ConfigError: {MAIN}:3: this hand-written directive defines a name that nginxws keeps for itself\n"
        "hint: rename what begins with nginxws_ there"
    )
    assert plan(data, Drop("/ws/")).files == ()
    assert plan(data, put(options={"preset": "plain"})).files, "it leans on nothing of ours"


def test_one_file_under_two_names() -> None:
    main = snapshot(b"http { include a.conf; include b.conf; }").files
    server = b"server { listen %d; location / { root /; } }\n"
    files = [
        FileState(f"/etc/nginx/{name}.conf", "/srv/x", server % port) for name, port in (("a", 80), ("b", 81))
    ]
    now = replace(snapshot(SITE), files=(*main, *files))
    assert told(lambda: make_plan(now, [put(server=":80"), put(server=":81")])) == (
        "ConfigError: /etc/nginx/b.conf: it is the same file as /etc/nginx/a.conf, and both would change\n"
        "hint: include it under one name only"
    )


def endless(data: bytes) -> bytes:
    """The text with the end of the route's block taken out."""
    return data[: data.index(b"        # nginxws: end route")] + data[data.index(b"        location / {") :]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda data: data[:-2], '2: the change would break the file: a "}" is missing: '),
        (
            lambda data: data.replace(b"/srv", b"/SRV"),
            " the change would alter bytes that aren't ours, near ",
        ),
        (endless, "16: the change would leave broken markers: this managed block has no end: "),
        (lambda data: SITE, " the block route /ws/ can't be found again"),
        (
            lambda data: data.replace(b"websocket upgrade;", b"websocket Upgrade;"),
            " the block map websocket can't be found again",
        ),
    ],
)
def test_an_edit_that_does_not_stand_up_to_its_proof(
    monkeypatch: pytest.MonkeyPatch, spoil: Callable[[bytes], bytes], message: str
) -> None:
    monkeypatch.setattr("nginxws.rewriting.apply_edits", lambda data, edits: spoil(apply_edits(data, edits)))
    with pytest.raises(SpliceError) as caught:
        plan(SITE, put())
    assert str(caught.value).startswith(f"{MAIN}:{message}")
    assert str(caught.value.hint).startswith(BUG)


def test_an_error_keeps_what_caused_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nginxws.rewriting.apply_edits", lambda data, edits: data[:-2])
    with pytest.raises(SpliceError) as caught:
        plan(SITE, put())
    assert isinstance(caught.value.__cause__, ParseError)


def test_what_a_plan_tells_of_the_node() -> None:
    files = {
        MAIN: b"error_log /log/main;\nhttp { include conf.d/*.conf; }\n",
        "/etc/nginx/conf.d/a.conf": b"server { listen 8080; location / { } }\n",
    }
    made = plan(files, put(), put("/b/"))
    assert made.node == "lb1"
    assert made.contexts == {MAIN: {()}, "/etc/nginx/conf.d/a.conf": {("http",)}}
    assert made.base == tuple((file.real, file.sha256) for file in snapshot(files).files)
    assert made.error_logs == ("/log/main",)
    assert not made.test_refused
    assert [(one.path, one.real) for one in made.files] == [("/etc/nginx/conf.d/a.conf",) * 2]
    assert [one.before for one in made.files] == [files["/etc/nginx/conf.d/a.conf"]]
    assert [(one.route, one.port) for one in made.probes] == [("/ws/", 8080), ("/b/", 8080)]
    assert made.standing == ()
    again = plan({**files, made.files[0].path: made.files[0].after}, put(), put("/c/"))
    assert [one.route for one in again.standing] == ["/ws/"]
    assert [one.route for one in again.probes] == ["/c/"]


def test_a_route_is_proved_on_the_port_that_was_named() -> None:
    data = SITE.replace(b"listen 80;", b"listen 80; listen 8080;")
    assert [one.port for one in plan(data, put(server=":8080")).probes] == [8080]
    assert [one.port for one in plan(data, put()).probes] == [80]


def test_templates_for_all_routes_or_for_one(tmp_path: Path) -> None:
    ours = (Path(__file__).parents[3] / "templates" / "location.conf.j2").read_text()
    for name in ("all", "one"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "location.conf.j2").write_text(ours.replace("1.1;", f"1.1; # {name}"))
    wanted = [put("/a/"), put("/b/", templates=tmp_path / "one")]
    text = make_plan(snapshot(SITE), wanted, templates=tmp_path / "all").files[0].after
    assert (
        text.index(b"begin route /a/")
        < text.index(b"# all")
        < text.index(b"begin route /b/")
        < text.index(b"# one")
    )
