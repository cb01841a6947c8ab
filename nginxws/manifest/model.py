"""What may stand in ``nginxws.toml``: pydantic models, from which its JSON Schema is made as well.

Every route option of the command line is a key here, dashes as underscores. The models of the environment
stand in ``environment.py``, the kinds of values in ``fields.py``.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, model_validator

from nginxws import validate
from nginxws.manifest.environment import AppEntry, EnvironmentEntry
from nginxws.manifest.fields import (
    Backends,
    Entry,
    Headers,
    Line,
    Name,
    Names,
    NodePath,
    ProbeHeaders,
    Seconds,
    ca_file,
    checked,
    misfit,
    option,
    tls_name,
)

#: The only version of the format that there is.
FORMAT = 1


class RouteOptions(Entry):
    """What a route is, and how it is proved. What is left out is as on the command line."""

    match: Literal["prefix", "priority", "exact", "regex"] | None = option(
        "How requests are compared with the path; priority (^~) if left out."
    )
    slashless: Literal["alias", "redirect", "none"] | None = option(
        "What the path without its final slash gets: the same, a 308, or NGINX's own 301."
    )
    balance: Literal["round-robin", "least-conn", "ip-hash", "random"] | None = option(
        "How several backends share; round-robin if left out."
    )
    read_timeout: Seconds | None = option("Longest silence of the backend; 1h if left out.")
    send_timeout: Seconds | None = option("Longest silence of the client; 1h if left out.")
    connect_timeout: Seconds | None = option("Longest wait for a connection to the backend.")
    header: Headers | None = option("Headers to the backend: NAME=VALUE texts, or a table.")
    host: Annotated[str, checked(validate.host_header)] | None = option(
        "Host header to the backend; $host if left out."
    )
    backend_tls_name: Annotated[str, checked(tls_name)] | None = option(
        "Name for SNI and verification of a TLS backend."
    )
    backend_tls_ca: Annotated[str, checked(ca_file)] | None = option(
        "Verify TLS backends against this file of the node."
    )
    preset: Literal["default", "plain"] | None = option("plain: the platform documentation's own six lines.")
    templates: Line | None = option("Folder of templates of your own, relative to this file.")
    probe: Literal["required", "warn", "off"] | None = option("What a failed handshake means.")
    probe_path: Line | None = option("Path and query to try; the route's path if left out.")
    probe_host: Line | None = option("Host to ask for; the server's name if left out.")
    probe_header: ProbeHeaders | None = option(
        "Headers to send; NAME=@env:VAR and NAME=@file:PATH for secrets."
    )
    probe_expect: int | None = Field(
        default=None, ge=100, le=599, description="The status that counts as proof; 101 if left out."
    )
    probe_url: Line | None = option("Prove from here, through this public address.")
    probe_timeout: Seconds | None = option("Longest wait for proof.")


def _or_one_backend(schema: dict[str, Any]) -> None:
    """In the JSON Schema: ``backend`` may stand instead of ``backends``."""
    one = {"type": "string", "description": "The only backend, instead of a list."}
    schema["properties"]["backend"] = one
    schema["required"] = [key for key in schema["required"] if key != "backends"]
    schema["oneOf"] = [{"required": [key]} for key in ("backends", "backend")]


class RouteEntry(RouteOptions):
    """A route, and the nodes that are to have it."""

    path: str = Field(description="The location, like /ws/.")
    backends: Backends = Field(
        description='Backends as on the command line: "10.0.0.5:8080 weight=2", or "app:NAME".'
    )
    nodes: Names | None = option("Names or labels of nodes; all of them if left out.")
    server: Line | None = option("The server block, NAME[:PORT]; the node's if left out.")

    model_config = ConfigDict(json_schema_extra=_or_one_backend)

    @model_validator(mode="before")
    @classmethod
    def _one_backend(cls, data: Any) -> Any:
        """``backend = "…"`` is a list of one."""
        if not isinstance(data, dict) or "backend" not in data:
            return data
        if "backends" in data:
            raise misfit("stands beside backends", "backend", hint="say one of them")
        return {**{key: one for key, one in data.items() if key != "backend"}, "backends": [data["backend"]]}


class NodeEntry(Entry):
    """A balancer, and how it is reached."""

    ssh: Line | None = option(
        "[user@]host[:port], a name from ssh_config, or local; the node's own name if left out."
    )
    home: Line | None = option("Layout of the node's NGINX; found out if left out.")
    nginx_conf: NodePath | None = option("The node's main configuration file.")
    nginx_bin: Line | None = option("The node's nginx program.")
    reload_command: Line | None = option("How the node reloads NGINX.")
    state_dir: NodePath | None = option("Where the node keeps lock, undo and revisions.")
    sudo: bool = Field(default=False, description="Do the node's work as root.")
    server: Line | None = option("The server block of routes that name none, NAME[:PORT].")
    labels: Names = Field(default=(), description="Names for groups of nodes.")
    install: Literal["auto", "apt", "dnf", "apk"] | None = option(
        "Install NGINX with this package manager where there is none; auto: the one that is there."
    )


class Manifest(Entry):
    """The whole of ``nginxws.toml``."""

    format: Literal[1] = Field(description="Version of this format.")
    defaults: RouteOptions = Field(
        default=RouteOptions(), description="Options of routes that leave them out."
    )
    nodes: dict[Name, NodeEntry] = Field(default={}, description="The balancers.")
    apps: dict[Name, AppEntry] = Field(default={}, description="The applications behind the balancers.")
    environment: EnvironmentEntry | None = option("What `nginxws env` brings up.")
    routes: Annotated[tuple[RouteEntry, ...], Field(strict=False)] = Field(
        default=(), description="The WebSocket routes."
    )
