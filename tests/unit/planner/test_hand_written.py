"""Hand-written locations, and other routes, in a route's way."""

from __future__ import annotations

import pytest
from support.planning import MAIN, SITE, actions, after, failure, plan, put, steps

from nginxws.errors import RouteConflict
from nginxws.plan import Drop

HAND = SITE.replace(
    b"location / {",
    b"""location /ws/ {
            proxy_pass http://10.0.0.5:8080;
            proxy_http_version 1.1;
            proxy_set_header upgrade $http_upgrade;
            proxy_set_header Connection "upgrade";
            proxy_set_header Host $host;
            proxy_read_timeout 3600;
        }
        location / {""",
)


def test_a_hand_written_location_is_in_the_way() -> None:
    error = failure(HAND, put())
    assert isinstance(error, RouteConflict)
    assert (error.file, error.line) == (MAIN, 6)
    assert "--adopt" in str(error.hint)


def test_adopt_and_replace() -> None:
    adopted = plan(HAND, put(adopt=True))
    assert actions(adopted) == ["change"]
    text = adopted.files[0].after
    assert text.count(b"location ^~ /ws/") == 1
    assert b"location /ws/" not in text
    assert actions(plan(text, put(adopt=True))) == ["unchanged"]
    assert steps(text, [Drop("/ws/")]) == SITE

    unlike = HAND.replace(b"10.0.0.5", b"10.0.0.7")
    error = failure(unlike, put(adopt=True))
    assert isinstance(error, RouteConflict)
    assert "proxy_pass http://10.0.0.7:8080" in str(error.detail)
    assert "--replace" in str(error.hint)
    assert plan(unlike, put(replace=True)).files[0].after == text


def test_adopt_in_an_included_file_and_find_it_again_there() -> None:
    files = {
        MAIN: b"events { }\nhttp { server { listen 80; include ws.inc; location / { root /; } } }\n",
        "/etc/nginx/ws.inc": (
            b"location = /ws {\n    proxy_pass http://10.0.0.5:8080;\n    proxy_set_header Host $host;\n}\n"
        ),
    }
    want = put("/ws", adopt=True, options={"match": "exact"})
    adopted = after(files, want)
    assert b"begin route /ws" in adopted["/etc/nginx/ws.inc"]
    assert actions(plan(adopted, want)) == ["unchanged"]
    assert actions(plan(adopted, put("/ws", "10.0.0.9:1", options={"match": "exact"}))) == ["change"]
    removed = plan(adopted, Drop("/ws", server=":80"))
    assert removed.changes[0].where == "/etc/nginx/ws.inc:1"
    gone = {file.path: file.after for file in removed.files}
    assert gone == {MAIN: files[MAIN], "/etc/nginx/ws.inc": b""}


def test_a_slashless_location_in_the_way() -> None:
    data = SITE.replace(b"location / {", b"location =/ws { return 200; } location / {")
    error = failure(data, put("/ws/", options={"slashless": "redirect"}, replace=True))
    assert isinstance(error, RouteConflict)
    assert "--slashless" in str(error.hint)


def test_another_managed_route_in_the_way() -> None:
    data = steps(SITE, [put("/ws/", options={"slashless": "alias"})])
    error = failure(data, put("/ws", options={"match": "exact"}, replace=True))
    assert isinstance(error, RouteConflict)
    assert "the managed route /ws/ serves = /ws already" in error.message
    assert "remove-route /ws/" in str(error.hint)


def test_a_hand_written_location_besides_the_managed_one() -> None:
    data = steps(SITE, [put()]).replace(b"location / {", b"location = /ws/ { return 200; } location / {")
    error = failure(data, put("/ws/", options={"match": "exact"}, replace=True))
    assert isinstance(error, RouteConflict)
    assert "besides the managed route" in error.message


WEBSOCKET = "proxy_pass http://h:1; proxy_set_header Upgrade $http_upgrade;"


def with_locations(text: str) -> bytes:
    return SITE.replace(b"location / { root /srv; }", text.replace("WS", WEBSOCKET).encode())


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("location ~ ^/ws/(.*)$ { WS }", {}),
        ("location ~ ^/ws/.+ { WS }", {}),
        ("location ~* ^/Ws/ { WS }", {"match": "exact"}),
        ("location / { location /ws/ { WS } }", {}),
        ("location / { location = /ws/ { WS } }", {}),
        ("location / { location ~ ^/ws/ { WS } }", {}),
        (f"location / {{ {WEBSOCKET.split(';')[1]}; location /ws/ {{ proxy_pass http://h:1; }} }}", {}),
        ("location /ws/ { WS }", {"match": "exact"}),
    ],
)
def test_a_hand_written_websocket_route_of_another_form(text: str, options: dict[str, str]) -> None:
    data = with_locations(text)
    for adopt in (False, True):
        error = failure(data, put(options=options, adopt=adopt))
        assert isinstance(error, RouteConflict)
        assert error.message == "/ws/ is already served by this hand-written location"
        assert (error.file, error.line) == (MAIN, 6)
        assert "--replace: the route then comes before it" in str(error.hint)
    shadowed = steps(data, [put(options=options, replace=True)])
    assert b"http://h:1" in shadowed
    assert actions(plan(shadowed, put(options=options))) == ["unchanged"]
    assert steps(shadowed, [Drop("/ws/")]) == data


@pytest.mark.parametrize(
    "text",
    [
        "location / { WS }",
        "location ^~ /w { WS }",
        "location ~ / { WS }",
        "location ~ ^/ws/ { return 204; }",
        "location ~ ^/ws/ { proxy_pass http://h:1; }",
        "location / { location /ws { WS } }",
        "location /ws/deeper/ { WS }",
        "location ~ ^/ws/\\d+$ { WS }",
        "",
    ],
)
def test_what_is_no_reason_to_refuse(text: str) -> None:
    data = with_locations(text)
    assert steps(data, [put()], [Drop("/ws/")]) == data


def test_a_path_whose_301_the_route_replaces() -> None:
    assert actions(plan(with_locations("location /ws/ { WS }"), put("/ws"))) == ["add"]


def test_an_exact_location_would_keep_the_path() -> None:
    data = with_locations("location = /ws/ { return 204; } location / { }")
    for want in (put(), put(adopt=True), put(options={"match": "prefix"})):
        error = failure(data, want)
        assert isinstance(error, RouteConflict)
        assert (error.file, error.line) == (MAIN, 6)
        assert "whose exact match comes first" in error.message
        assert "--replace puts" in str(error.hint)
    replaced = steps(data, [put(replace=True)])
    assert b"= /ws/" not in replaced
    assert actions(plan(replaced, put())) == ["unchanged"]

    both = with_locations("location = /ws/ { return 204; } location /ws/ { return 200; }")
    error = failure(both, put(replace=True))
    assert "= /ws/" in both.decode()
    assert error.hint == "take it out by hand first"


def test_a_regex_would_win_over_a_plain_prefix() -> None:
    data = with_locations("location ~ ^/ws/ { return 204; }")
    error = failure(data, put(options={"match": "prefix"}, replace=True))
    assert isinstance(error, RouteConflict)
    assert (error.file, error.line) == (MAIN, 6)
    assert "wins over a plain prefix" in error.message
    assert "--match priority" in str(error.hint)
    assert actions(plan(data, put())) == ["add"]


def test_another_managed_route_would_keep_the_path() -> None:
    data = steps(SITE, [put("/ws/", options={"slashless": "alias"})])
    error = failure(data, put("/ws"))
    assert isinstance(error, RouteConflict)
    assert "the managed route /ws/ serves = /ws already" in error.message
    assert actions(plan(data, put("/ws"), Drop("/ws/"))) == ["remove", "add"]
