"""A platform on loopback with a real NGINX as its balancer, and an application behind that."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from support.backend import Backend, echo_backend
from support.nginx import NginxNode
from support.platform_api import MAIN, TOKEN, PlatformApi, serving
from support.sshd import need

from nginxws.plan import Put
from nginxws.providers.jelastic import Environment, Layer, Patience, Settings, Token, Wanted
from nginxws.route import Route

Steps = list[tuple[str, str]]
MakeWanted = Callable[..., Wanted]


@pytest.fixture(scope="module")
def backend() -> Iterator[Backend]:
    with echo_backend() as made:
        yield made


@pytest.fixture
def node(tmp_path: Path) -> Iterator[NginxNode]:
    prefix = tmp_path / "node"
    made = NginxNode(prefix, need("nginx"), main=MAIN.replace("@PREFIX@", str(prefix)), site="")
    yield made
    made.stop()


@pytest.fixture
def platform(
    request: pytest.FixtureRequest, node: NginxNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[PlatformApi]:
    """Over TLS where the module says so: the other tests are about what comes after."""
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with serving(node, tmp_path, tls=getattr(request.module, "TLS", False)) as made:
        monkeypatch.setenv("SSL_CERT_FILE", str(made.ca))
        yield made


@pytest.fixture
def settings(platform: PlatformApi, node: NginxNode) -> Settings:
    patience = Patience(call=10, work=10, tries=3, pause=0.01, longest_pause=0.02, poll=0.02)
    return Settings(
        hoster="platform.example",
        env_name="chat",
        application=Layer("cp", "nodejs"),
        api=platform.url,
        nginx_conf=str(node.conf),
        token=Token(TOKEN),
        patience=patience,
        wait=20,
        reload_timeout=10,
    )


@pytest.fixture
def wanted(platform: PlatformApi, node: NginxNode, backend: Backend) -> MakeWanted:
    """Routes to the application, on the addresses that the platform tells; NGINX runs from here on."""
    node.start()

    def make(*paths: str, port: int = 0) -> Wanted:
        def routes(environment: Environment) -> list[Put]:
            backends = [f"{one}:{port or backend.port}" for one in environment.addresses("cp")]
            return [Put(Route.create(path, backends)) for path in paths or ("/ws/",)]

        return Wanted("chat.example.com", routes, connect=f"127.0.0.1:{node.port}")

    return make


@pytest.fixture
def quick(settings: Settings) -> Settings:
    """Gives up soon."""
    patience = replace(settings.patience, call=0.4, work=0.4)
    return replace(settings, patience=patience, reload_timeout=0.4, wait=0.4)
