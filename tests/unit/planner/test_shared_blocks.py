"""Maps and upstreams: what routes share."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.planning import MAIN, SITE, actions, after, failure, marker, plan, put, snapshot, steps

from nginxws.plan import Drop, NodePlan, Put, Wanted
from nginxws.planner import make_plan
from nginxws.route import Route

# --- what routes share --------------------------------------------------------------------------


SPLIT = {
    MAIN: b"events { }\nhttp { include conf.d/*.conf; }\n",
    "/etc/nginx/conf.d/a.conf": b"server {\n\tlisten 80;\n\tserver_name a.example;\n\tlocation / { }\n}\n",
    "/etc/nginx/conf.d/b.conf": b"server {\r\n listen 80;\r\n server_name b.example;\r\n}\r\n",
}
POOL = ("10.0.0.1:80", "10.0.0.2:80")


def total(files: dict[str, bytes], text: bytes) -> int:
    return sum(data.count(text) for data in files.values())


def test_maps_and_upstreams_are_once_per_configuration() -> None:
    files = after(SPLIT, put("/ws/", *POOL, server="b.example"))
    assert files["/etc/nginx/conf.d/b.conf"].count(b"begin map websocket") == 1
    files = after(files, put("/ws/", *POOL, server="a.example"), put("/other/", server="a.example"))
    assert total(files, b"begin map websocket") == 1
    assert total(files, b"begin upstream") == 1
    assert total(files, b"proxy_pass http://nginxws_ws_") == 2
    files = after(files, Drop("/ws/", server="b.example"))
    assert total(files, b"begin upstream") == 1
    files = after(files, Drop("/ws/"))
    assert total(files, b"begin upstream") == 0
    assert total(files, b"begin map websocket") == 1
    assert after(files, Drop("/other/")) == SPLIT


def test_a_changed_backend_set_is_another_upstream() -> None:
    data = steps(SITE, [put("/ws/", *POOL)], [put("/ws/", *POOL, "10.0.0.3:80")])
    assert data.count(b"begin upstream") == 1
    assert b"server 10.0.0.3:80;" in data
    shared = steps(SITE, [put("/ws/", *POOL)])
    name = shared.partition(b"begin upstream ")[2].split()[0]
    shared = shared.replace(b"root /srv;", b"proxy_pass http://" + name + b";")
    kept = steps(shared, [put("/ws/", "10.0.0.9:80")])
    assert b"begin upstream " + name in kept


def test_the_plain_preset_needs_no_maps() -> None:
    data = steps(SITE, [put(options={"preset": "plain"})])
    assert b"begin map" not in data
    both = steps(data, [put("/b/")])
    assert b"begin map" in both
    assert steps(both, [Drop("/b/")]) == data


def test_a_hand_written_use_keeps_the_maps() -> None:
    data = SITE.replace(b"root /srv;", b"proxy_set_header Upgrade $nginxws_upgrade;")
    kept = steps(data, [put()], [Drop("/ws/")])
    assert b"begin map websocket" in kept


def test_blocks_of_a_kind_we_dont_know_stay() -> None:
    block = b"    # nginxws: begin origin o 0123456789abcdef\n    # nginxws: end origin o\n"
    data = SITE.replace(b"    server {", block + b"    server {")
    assert steps(data, [put()], [Drop("/ws/")]) == data


@pytest.mark.parametrize(
    "foreign", [b"map $a $nginxws_upgrade { default x; }", b"upstream nginxws_x { server 10.0.0.1; }"]
)
def test_a_foreign_definition_of_our_names_is_refused(foreign: bytes) -> None:
    error = failure(SITE.replace(b"http {", b"http {\n" + foreign), put())
    assert "defines a name" in error.message
    assert (error.file, error.line) == (MAIN, 3)


# --- the maps, after what sets their hashes -----------------------------------------------------


TUNED = SITE.removesuffix(b"}\n")


@pytest.mark.parametrize(
    "late",
    [
        b"    map_hash_bucket_size 128;\n}\n",
        b"    map_hash_bucket_size 128; # more\n\n    map_hash_max_size 4096; gzip on;\n}\n",
        b"map_hash_max_size 4096;}",
        b"\tmap_hash_max_size 4096;\r\n\tserver { listen 81; return 204; }\r\n}\r\n",
    ],
)
def test_maps_go_after_a_late_map_hash(late: bytes) -> None:
    data = TUNED + late
    after = steps(data, [put()])
    assert after.index(b"begin map websocket") > after.rindex(b"map_hash_")
    assert after.index(b"begin route") < after.index(b"map_hash_")
    assert actions(plan(after, put())) == ["unchanged"]
    assert steps(after, [put("/b/")], [Drop("/ws/")], [Drop("/b/")]) == data


def test_upstreams_go_before_the_server_whatever_comes_later() -> None:
    after = steps(TUNED + b"    map_hash_max_size 4096;\n}\n", [put("/ws/", *POOL)])
    assert after.index(b"begin upstream") < after.index(b"server {\n") < after.index(b"begin map")


def test_an_earlier_map_hash_changes_nothing() -> None:
    data = SITE.replace(b"    server {", b"    map_hash_max_size 4096;\n    gzip on;\n    server {")
    after = steps(data, [put()])
    assert after.index(b"gzip on;") < after.index(b"begin map websocket") < after.index(b"server {\n")


def test_the_end_of_a_file_without_newline() -> None:
    files = {
        MAIN: b"http { server { listen 80; location / { } } include z.conf; }",
        "/etc/nginx/z.conf": b"map_hash_max_size 4096;",
    }
    got = after(files, put())
    assert got["/etc/nginx/z.conf"].startswith(b"map_hash_max_size 4096;\n# nginxws: begin map websocket ")
    assert after(got, Drop("/ws/")) == files


def test_behind_a_block_that_took_the_newline() -> None:
    """Upstreams of another server that follows on the same line stand there already."""
    data = (
        b"http {\nserver { listen 80; server_name a; location / { } }\nmap_hash_max_size 4096;"
        b"server { listen 80; server_name b; location / { } }\n}\n"
    )
    first = put("/b/", *POOL, server="b", options={"preset": "default"})
    both = steps(data, [first], [put(server="a")])
    assert actions(plan(both, first, put(server="a"))) == ["unchanged", "unchanged"]
    assert steps(both, [Drop("/ws/"), Drop("/b/")]) == data
    # The upstream alone, by a hand edit: nothing needs the maps.
    hand = both.replace(b" $nginxws_upgrade;", b" websocket;").replace(b" $nginxws_connection;", b" upgrade;")
    lone = steps(hand, [Drop("/ws/", overwrite_drift=True)])
    assert b"begin map" not in lone
    assert b"4096;\n# nginxws: begin upstream" in lone
    again = steps(lone, [put(server="a")])
    assert again.index(b"begin upstream") < again.index(b"begin map") < again.index(b"server_name b")
    assert steps(again, [Drop("/ws/", server="a")]) == lone


# --- shared blocks that are missing -------------------------------------------------------------


def without(data: bytes, kind: bytes) -> bytes:
    """The text as it is when somebody deletes a shared block."""
    start = data.index(b"    # nginxws: begin " + kind)
    return data[:start] + data[data.index(b"\n", data.index(b"# nginxws: end " + kind)) + 1 :]


def broken(data: bytes, *wanted: Wanted) -> NodePlan:
    return make_plan(replace(snapshot(data), test_failure='unknown "nginxws_upgrade" variable'), wanted)


@pytest.mark.parametrize("kind", [b"map", b"upstream"])
def test_a_plan_that_mends_says_so(kind: bytes) -> None:
    good = steps(SITE, [put("/ws/", *POOL)])
    bad = without(good, kind)
    for want in (put("/ws/", *POOL), put("/ws/", *POOL, overwrite_drift=True)):
        result = broken(bad, want)
        assert (result.mends, result.lacking) == (True, ())
        assert sorted(result.files[0].after.split(b"\n")) == sorted(good.split(b"\n"))
    removed = broken(bad, Drop("/ws/"))
    assert (removed.mends, removed.lacking) == (True, ())
    assert removed.files[0].after == SITE


def test_a_plan_that_mends_half_says_what_is_missing_still() -> None:
    good = steps(SITE, [put("/ws/", *POOL)], [put("/b/")])
    bad = without(without(good, b"map"), b"upstream")
    result = broken(bad, Drop("/b/"))
    name = put("/ws/", *POOL).route.upstream_name
    needs = f"{marker(bad)}: route /ws/ needs "
    assert (result.mends, result.lacking) == (False, (f"{needs}upstream {name}", f"{needs}map websocket"))
    assert broken(bad, put("/b/")).lacking == (f"{needs}upstream {name}",)
    assert broken(bad, put("/ws/", *POOL)).mends


def test_a_test_that_fails_for_another_reason_is_not_mended() -> None:
    good = steps(SITE, [put()])
    assert not broken(good, put("/b/")).mends
    assert not broken(without(good, b"map"), Drop("/c/")).mends
    assert not plan(without(good, b"map"), put()).mends


def test_the_command_that_puts_all_back() -> None:
    good = steps(SITE, [put("/ws/", *POOL)], [put("/b/")])
    bad = without(without(good, b"map"), b"upstream")
    for want in (Drop("/b/"), put("/b/")):
        assert broken(bad, want).remedy.startswith("`nginxws add-route /ws/ …` puts back what is missing")
    assert broken(bad, put("/ws/", *POOL)).remedy == ""
    assert plan(good, Drop("/b/")).remedy == ""


def test_the_commands_when_no_route_needs_all_that_is_missing() -> None:
    odd = Route.create("^/c(x|y)", ["10.0.0.3:80", "10.0.0.4:80"], match="regex")
    good = steps(SITE, [put("/ws/", *POOL)], [put("/b/")], [Put(odd)])
    bad = without(without(good, b"upstream"), b"upstream")
    remedy = broken(bad, put("/ws/", *POOL)).remedy
    assert "`nginxws remove-route /ws/ '^/c(x|y)'`" in remedy
    paths = ("/ws/", odd.path)
    gone = broken(bad, *map(Drop, paths))
    assert gone.mends
    assert gone.files[0].after == steps(good, [Drop(path) for path in paths])
