"""What may stand in ``nginxws.toml``: pydantic models, from which its JSON Schema is made as well.

Every route option of the command line is a key here, dashes as underscores.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)

from nginxws import validate
from nginxws.backend import Backend
from nginxws.errors import InvalidInput

#: The only version of the format that there is.
FORMAT = 1

_NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$"


def _checked(check: Callable[[Any], object]) -> AfterValidator:
    """A value that one of our own checks takes; what that says becomes the cause of pydantic's error."""

    def run(value: Any) -> Any:
        try:
            check(value)
        except InvalidInput as error:
            raise ValueError(error.message) from error
        return value

    return AfterValidator(run)


def _seconds(value: Any) -> Any:
    """A duration as the command line takes it; what isn't one is left to pydantic."""
    if not isinstance(value, str):
        return value
    try:
        return validate.parse_duration(value)
    except InvalidInput as error:
        raise ValueError(error.message) from error


def _pairs(value: Any) -> Any:
    """Headers as a table, made a list of ``NAME=VALUE``."""
    if isinstance(value, dict) and all(isinstance(one, str) for one in value.values()):
        return [f"{name}={text}" for name, text in value.items()]
    return value


def _pair(text: str) -> None:
    name, equals, _value = text.partition("=")
    if not (name and equals):
        raise InvalidInput("isn't NAME=VALUE", hint='write it like "X-Team=chat"')
    validate.header_name(name)


def _header(text: str) -> None:
    _pair(text)
    name, _equals, value = text.partition("=")
    validate.header_value(value, f"header {name}")


def _tls_name(text: str) -> None:
    validate.dns_name(text, "TLS name")


def _ca_file(text: str) -> None:
    validate.node_file(text, "CA file")


def _any(values: tuple[str, ...]) -> None:
    if not values:
        raise InvalidInput("must not be empty", hint='write it like ["10.0.0.5:8080"]')


def _line(text: str) -> None:
    if not text or any(ord(char) < 32 or ord(char) == 127 for char in text):
        raise InvalidInput(
            "is empty, or holds a control character", hint="write it on one line, or leave it out"
        )


def _absolute(text: str) -> None:
    _line(text)
    if not text.startswith("/"):
        raise InvalidInput(
            f"{validate.shown(text)} isn't an absolute path of the node", hint="start it with /"
        )


def _list_or_table(pattern: str) -> WithJsonSchema:
    texts = {"type": "array", "items": {"type": "string", "pattern": pattern}}
    return WithJsonSchema({"anyOf": [texts, {"type": "object", "additionalProperties": {"type": "string"}}]})


_TIME = {
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": validate.MAX_SECONDS},
        {"type": "string", "pattern": "^([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s?)?$", "minLength": 1},
    ]
}

# A TOML array arrives as a list, which a strict tuple wouldn't take.
Name = Annotated[str, StringConstraints(pattern=_NAME)]
Names = Annotated[tuple[Name, ...], Field(strict=False)]
Seconds = Annotated[
    int, Field(ge=1, le=validate.MAX_SECONDS), BeforeValidator(_seconds), WithJsonSchema(_TIME)
]
Headers = Annotated[
    tuple[Annotated[str, _checked(_header)], ...],
    Field(strict=False),
    BeforeValidator(_pairs),
    _list_or_table("^[^=]+="),
]
ProbeHeaders = Annotated[
    tuple[Annotated[str, _checked(_pair)], ...],
    Field(strict=False),
    BeforeValidator(_pairs),
    _list_or_table("^[^=]+="),
]
Backends = Annotated[
    tuple[Annotated[str, _checked(Backend.parse)], ...],
    Field(strict=False, json_schema_extra={"minItems": 1}),
    _checked(_any),  # pydantic's own min_length also speaks up where an element is wrong
]
Line = Annotated[str, _checked(_line), Field(json_schema_extra={"minLength": 1})]
NodePath = Annotated[str, _checked(_absolute), Field(json_schema_extra={"pattern": "^/"})]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, title=None)


def _option(text: str) -> Any:
    """An option that may be left out; ``text`` is shown by editors."""
    return Field(default=None, description=text)


class RouteOptions(_Model):
    """What a route is, and how it is proved. What is left out is as on the command line."""

    match: Literal["prefix", "priority", "exact", "regex"] | None = _option(
        "How requests are compared with the path; priority (^~) if left out."
    )
    slashless: Literal["alias", "redirect", "none"] | None = _option(
        "What the path without its final slash gets: the same, a 308, or NGINX's own 301."
    )
    balance: Literal["round-robin", "least-conn", "ip-hash", "random"] | None = _option(
        "How several backends share; round-robin if left out."
    )
    read_timeout: Seconds | None = _option("Longest silence of the backend; 1h if left out.")
    send_timeout: Seconds | None = _option("Longest silence of the client; 1h if left out.")
    connect_timeout: Seconds | None = _option("Longest wait for a connection to the backend.")
    header: Headers | None = _option("Headers to the backend: NAME=VALUE texts, or a table.")
    host: Annotated[str, _checked(validate.host_header)] | None = _option(
        "Host header to the backend; $host if left out."
    )
    backend_tls_name: Annotated[str, _checked(_tls_name)] | None = _option(
        "Name for SNI and verification of a TLS backend."
    )
    backend_tls_ca: Annotated[str, _checked(_ca_file)] | None = _option(
        "Verify TLS backends against this file of the node."
    )
    preset: Literal["default", "plain"] | None = _option("plain: the platform documentation's own six lines.")
    templates: Line | None = _option("Folder of templates of your own, relative to this file.")
    probe: Literal["required", "warn", "off"] | None = _option("What a failed handshake means.")
    probe_path: Line | None = _option("Path and query to try; the route's path if left out.")
    probe_host: Line | None = _option("Host to ask for; the server's name if left out.")
    probe_header: ProbeHeaders | None = _option(
        "Headers to send; NAME=@env:VAR and NAME=@file:PATH for secrets."
    )
    probe_expect: int | None = Field(
        default=None, ge=100, le=599, description="The status that counts as proof; 101 if left out."
    )
    probe_url: Line | None = _option("Prove from here, through this public address.")
    probe_timeout: Seconds | None = _option("Longest wait for proof.")


class RouteEntry(RouteOptions):
    """A route, and the nodes that are to have it."""

    path: str = Field(description="The location, like /ws/.")
    backends: Backends = Field(description='Backends as on the command line: "10.0.0.5:8080 weight=2".')
    nodes: Names | None = _option("Names or labels of nodes; all of them if left out.")
    server: Line | None = _option("The server block, NAME[:PORT]; the node's if left out.")


class NodeEntry(_Model):
    """A balancer, and how it is reached."""

    ssh: Line | None = _option(
        "[user@]host[:port], a name from ssh_config, or local; the node's own name if left out."
    )
    home: Line | None = _option("Layout of the node's NGINX; found out if left out.")
    nginx_conf: NodePath | None = _option("The node's main configuration file.")
    nginx_bin: Line | None = _option("The node's nginx program.")
    reload_command: Line | None = _option("How the node reloads NGINX.")
    state_dir: NodePath | None = _option("Where the node keeps lock, undo and revisions.")
    sudo: bool = Field(default=False, description="Do the node's work as root.")
    server: Line | None = _option("The server block of routes that name none, NAME[:PORT].")
    labels: Names = Field(default=(), description="Names for groups of nodes.")


class Manifest(_Model):
    """The whole of ``nginxws.toml``."""

    format: Literal[1] = Field(description="Version of this format.")
    defaults: RouteOptions = Field(
        default=RouteOptions(), description="Options of routes that leave them out."
    )
    nodes: dict[Name, NodeEntry] = Field(default={}, description="The balancers.")
    routes: Annotated[tuple[RouteEntry, ...], Field(strict=False)] = Field(
        default=(), description="The WebSocket routes."
    )
