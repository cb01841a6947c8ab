"""What an environment on the platform is to be, what it is, and what came of a run: plain data."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from nginxws import validate
from nginxws.environment.plan import AppPlan
from nginxws.environment.wanted import WantedApp
from nginxws.errors import InvalidInput
from nginxws.nodes.options import ProbePolicy
from nginxws.nodes.probe.types import ProbeResult
from nginxws.plan import NodePlan, Put
from nginxws.providers.jelastic.http import Patience
from nginxws.providers.jelastic.token import Token
from nginxws.proving import Policies
from nginxws.snapshot import Snapshot

#: What an environment may be called: a label of its domain.
_ENV_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
#: Node groups and node types, as the platform's own are written.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")
#: Port of the platform's SSH gate (documentation: "SSH Access", "SSH Gate").
GATE_PORT = 3022
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})

#: How the balancer is made to read its file again.
ReloadWith = Literal["reload", "restart"]


@dataclass(frozen=True, slots=True)
class Layer:
    """A group of nodes. ``type`` (such as ``nginx`` or ``nodejs``) matters only when the environment is made.

    ``fixed`` cloudlets are reserved, up to ``flexible`` are used when needed; one is 128 MiB and 400 MHz.
    """

    group: str
    type: str | None = None
    count: int = 1
    fixed: int = 1
    flexible: int = 4

    def __post_init__(self) -> None:
        for name in (self.group, *((self.type,) if self.type is not None else ())):
            if not _NAME.fullmatch(name):
                raise InvalidInput(
                    f"{validate.shown(name)} isn't a node group or node type",
                    hint='write it as the platform does: "bl", "cp", "nginx"',
                )


@dataclass(frozen=True, slots=True)
class Archive:
    """An application archive that the platform fetches from ``url`` and deploys into a context."""

    url: str
    name: str = "application.zip"
    context: str = "ROOT"

    def __post_init__(self) -> None:
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc:
            raise InvalidInput(
                "the archive isn't an http or https URL without user information",
                hint="the platform fetches it itself: name a place that it can reach",
            )


@dataclass(frozen=True, slots=True)
class Settings:
    """Where the platform is, and the environment there. ``wait`` is the longest wait for it to run, seconds.

    ``hoster`` is the platform's domain: the API is at ``https://app.{hoster}/1.0``, unless ``api`` says
    another place (https; plain http on loopback alone). ``nginx_conf`` is the balancer's main file.
    ``reload`` keeps open WebSockets; ``restart`` is the platform's RestartNodesByGroup, which drops them.
    """

    hoster: str
    env_name: str
    balancer: Layer = Layer("bl", "nginx")
    application: Layer | None = None
    archive: Archive | None = None
    region: str | None = None
    api: str | None = None
    nginx_conf: str = "/etc/nginx/nginx.conf"
    reload: ReloadWith = "reload"
    wait: float = 600.0
    reload_timeout: float = 30.0
    token_variable: str | None = None
    token: Token | None = None
    patience: Patience = field(default_factory=Patience)

    def __post_init__(self) -> None:
        validate.host(self.hoster, "hoster")
        if not _ENV_NAME.fullmatch(self.env_name):
            raise InvalidInput(
                f"{validate.shown(self.env_name)} can't be the name of an environment",
                hint="small letters, digits and dashes: it is a part of its domain",
            )
        _api_url(self.base)

    @property
    def base(self) -> str:
        """URL of the API, without a slash at its end."""
        return (self.api or f"https://app.{self.hoster}/1.0").rstrip("/")


def _api_url(url: str) -> None:
    parts = urlsplit(url)
    safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)
    if not safe or not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment:
        raise InvalidInput(
            "the platform's API must be an https URL: the access token goes there",
            hint="write it like https://app.example.com/1.0",
        )


@dataclass(frozen=True, slots=True)
class Node:
    """A node of the environment. ``address`` is its internal one, as the other nodes see it."""

    id: int
    group: str
    address: str
    type: str = ""

    def ssh_target(self, hoster: str, uid: int) -> str:
        """The node through the SSH gate: ``ssh://NODE-UID@gate.HOSTER:3022`` (documentation: "SSH Gate")."""
        return f"ssh://{self.id}-{uid}@gate.{hoster}:{GATE_PORT}"


@dataclass(frozen=True, slots=True)
class Environment:
    """An environment as the platform tells it. ``status`` is its number (`waiting`), ``uid`` the owner's."""

    name: str
    domain: str
    status: int
    uid: int = 0
    nodes: tuple[Node, ...] = ()

    def addresses(self, group: str) -> tuple[str, ...]:
        """Internal addresses of a group's nodes."""
        return tuple(node.address for node in self.nodes if node.group == group)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What users are to reach. ``domain`` (``HOST[:PORT]``) is what browsers use.

    ``routes`` gives the routes of an environment that runs; None leaves the balancer alone. ``connect``
    (``HOST:PORT``) is where the proof connects to while DNS doesn't know the domain yet. ``apps`` run on the
    application's nodes: their files get the wanted address (absolute paths; nothing of a source).
    """

    domain: str
    routes: Callable[[Environment], Sequence[Put]] | None
    tls: bool = False
    connect: str | None = None
    policies: Policies = field(default_factory=ProbePolicy)
    apps: tuple[WantedApp, ...] = ()


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a run would do. ``balancer`` is None while the environment, or its wanted routes, isn't there.

    ``apps`` is empty while there is something to deploy: what stands in its files isn't known before.
    ``now`` is the balancer as it is, with its first node's workers; ``listening`` says which applications'
    ports are listened on.
    """

    env_name: str
    creates: bool
    deploys: bool
    balancer: NodePlan | None
    apps: tuple[AppPlan, ...] = ()
    environment: Environment | None = None
    now: Snapshot | None = None
    listening: Mapping[str, bool] = field(default_factory=dict)

    @property
    def changes(self) -> bool:
        """Whether anything would change."""
        apps = any(plan.restart for plan in self.apps)
        return self.creates or self.deploys or apps or bool(self.balancer and self.balancer.files)

    def as_json(self) -> dict[str, Any]:
        """Plain data, without secrets."""
        return {
            "environment": self.env_name,
            "creates": self.creates,
            "deploys": self.deploys,
            "balancer": self.balancer.as_json() if self.balancer is not None else None,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """What a run did. ``reloaded`` is empty when the balancer wasn't told to read its files again.

    ``proofs`` are the handshakes from outside, by route; ``notes`` say what could not be done or known.
    """

    environment: Environment
    created: bool = False
    deployed: bool = False
    balancer: NodePlan | None = None
    reloaded: ReloadWith | Literal[""] = ""
    proofs: tuple[tuple[str, ProbeResult], ...] = ()
    notes: tuple[str, ...] = ()
    apps: tuple[AppPlan, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
        return (
            self.created
            or self.deployed
            or any(plan.restart for plan in self.apps)
            or bool(self.balancer and self.balancer.files)
            or bool(self.reloaded)
        )

    def as_json(self) -> dict[str, Any]:
        """Plain data, without secrets."""
        return {
            "environment": self.environment.name,
            "domain": self.environment.domain,
            "changed": self.changed,
            "created": self.created,
            "deployed": self.deployed,
            "reloaded": self.reloaded,
            "balancer": self.balancer.as_json() if self.balancer is not None else None,
            "proofs": [
                {"route": route, "ok": result.ok, "status": result.status, "message": result.message}
                for route, result in self.proofs
            ],
            "notes": list(self.notes),
        }
