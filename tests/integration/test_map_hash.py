"""``map_hash_*`` directives after the server: NGINX takes them for duplicates once a ``map`` came before."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from support.backend import Backend, echoes
from support.command import Nginxws
from support.nginx import NginxNode

pytestmark = pytest.mark.nginx

MakeNode = Callable[..., NginxNode]


@pytest.mark.parametrize(
    "tuning",
    [
        "map_hash_bucket_size 128;\n",
        "map_hash_bucket_size 128; map_hash_max_size 4096; gzip on; # both\n",
        "\tmap_hash_bucket_size 128; # kept\r\n\tgzip on;\r\n",
        "map_hash_max_size 4096;",
    ],
)
def test_maps_go_after_them(make_node: MakeNode, command: Nginxws, backend: Backend, tuning: str) -> None:
    node = make_node(start=False)
    file = node.site.with_name("zz-tuning.conf")
    file.write_bytes(tuning.encode())
    node.start()
    nginxws, before = command.at("--node", "local", *node.options()), node.digests()
    nginxws("add-route", "/ws/", backend.address)
    assert echoes(node.port)
    assert "begin map websocket" in file.read_text()
    assert "begin map" not in node.site.read_text()
    assert "nothing to do" in nginxws("add-route", "/ws/", backend.address).out
    nginxws("remove-route", "/ws/")
    assert node.digests() == before


def test_a_nested_location_is_shadowed_when_asked(
    make_node: MakeNode, command: Nginxws, backend: Backend
) -> None:
    """NGINX compares duplicates on one level only, and the longer prefix outside wins."""
    node = make_node(start=False)
    inner = "location /ws/ { proxy_pass http://127.0.0.1:1; proxy_set_header Upgrade $http_upgrade; }"
    node.site.write_text(node.site.read_text().replace("return 200", f"{inner}\n        return 200"))
    node.start()
    nginxws, before = command.at("--node", "local", *node.options()), node.digests()
    with node.untouched():
        refused = nginxws("add-route", "/ws/", backend.address, code=1)
    assert "already served by this hand-written location" in refused.error
    nginxws("add-route", "/ws/", backend.address, "--replace")
    assert echoes(node.port)
    nginxws("remove-route", "/ws/")
    assert node.digests() == before
