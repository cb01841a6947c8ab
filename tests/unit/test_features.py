"""What ``nginx -V`` says about a build."""

from __future__ import annotations

import pytest

from nginxws.features import CURRENT, Features

DEBIAN = """nginx version: nginx/1.22.1
built with OpenSSL 3.0.15 3 Sep 2024 (running with OpenSSL 3.0.17 1 Jul 2025)
TLS SNI support enabled
configure arguments: --with-cc-opt='-g -O2' --prefix=/usr/share/nginx --with-http_ssl_module
"""


def test_debian() -> None:
    assert Features.from_dash_v(DEBIAN) == Features((1, 22, 1), frozenset())


@pytest.mark.parametrize(
    ("line", "version"),
    [
        ("nginx version: nginx/1.31.3 (build)", (1, 31, 3)),
        ("nginx version: nginx/1.25.5 (nginx-plus-r32)", (1, 25, 5)),
        ("nginx version: openresty/1.25.3.1", (1, 25, 3)),
        ("freenginx version: freenginx/1.27.4", (1, 27, 4)),
        ("Angie version: Angie/1.10.1", (1, 23, 0)),
        ("Tengine version: Tengine/2.3.2\nnginx version: nginx/1.17.3", (1, 17, 3)),
        ("Tengine version: Tengine/2.3.2", (1, 15, 9)),
        ("Tengine version: Tengine/3.1.0", (1, 24, 0)),
        ("Tengine version: Tengine/1.5.2 (nginx/1.2.9)", (1, 2, 9)),
        ("Tengine version: Tengine/1.5.2", (0, 0, 0)),
        ("sh: nginx: not found", (0, 0, 0)),
        ("", (0, 0, 0)),
    ],
)
def test_version(line: str, version: tuple[int, int, int]) -> None:
    assert Features.from_dash_v(line).version == version


def test_modules_in_paths_are_not_products() -> None:
    arguments = "configure arguments: --add-module=/build/nginx/1.99.0 --with-http_ssl_module"
    assert Features.from_dash_v(f"nginx version: nginx/1.10.3\n{arguments}") == Features((1, 10, 3))


@pytest.mark.parametrize(
    ("arguments", "missing"),
    [
        ("", {"http_ssl_module"}),
        ("--with-http_ssl_module", set()),
        ("--with-http_ssl_module --without-http_map_module", {"http_map_module"}),
        ("--with-http_ssl_module --without-http_upstream_ip_hash_module", {"http_upstream_ip_hash_module"}),
        ("--with-http_ssl_module --without-http_autoindex_module", set()),
        ("--with-http_ssl_module --without-http-cache", set()),
    ],
)
def test_missing_modules(arguments: str, missing: set[str]) -> None:
    text = f"nginx version: nginx/1.30.0\nconfigure arguments: {arguments}\n"
    assert Features.from_dash_v(text).missing == missing


def test_without_http_nothing_is_left() -> None:
    features = Features.from_dash_v(
        "nginx version: nginx/1.30.0\nconfigure arguments: --without-http --with-stream"
    )
    assert {"http_proxy_module", "http_map_module", "http_ssl_module"} <= features.missing


@pytest.mark.parametrize(
    ("features", "feature", "why"),
    [
        (CURRENT, "random", None),
        (Features((1, 15, 5)), "socket_keepalive", "it needs NGINX 1.15.6, and this one is 1.15.5"),
        (Features((1, 15, 6)), "socket_keepalive", None),
        (Features((0, 0, 0)), "map", "it needs NGINX 0.9.0, and this one is of unknown version"),
        (Features((1, 30, 0), frozenset({"http_map_module"})), "map", "it was built without http_map_module"),
    ],
)
def test_lacks(features: Features, feature: str, why: str | None) -> None:
    assert features.lacks(feature) == why
