"""What may stand in ``[environment]`` and ``[apps.NAME]``: the parts around the balancers. Pure."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, model_validator

from nginxws import validate
from nginxws.errors import InvalidInput
from nginxws.manifest.fields import Entry, Line, Name, Names, NodePath, Seconds, checked, misfit, option
from nginxws.manifest.jelastic import JelasticEntry
from nginxws.validate import shown

#: A WebSocket address is written into programs and pages: nothing in it may end a string there (RFC 3986).
_URL_PATH = re.compile(r"/[A-Za-z0-9._~!$&()*+,;=:@%/?-]*")
#: Bytes of a pattern or placeholder; both are the operator's own.
_MAX_PATTERN = 1000


def _domain(text: str) -> None:
    """``HOST`` or ``HOST:PORT``."""
    if "/" in text:
        host = text.rpartition("://")[2].partition("/")[0]
        raise InvalidInput(
            f"domain {shown(text)} isn't a host",
            hint=f"write it without scheme and path: {shown(host or 'chat.example.com')}",
        )
    if not text.isascii():
        raise InvalidInput(
            f"domain {shown(text)} isn't ASCII", hint="write it in punycode: xn--… (idn2 NAME prints it)"
        )
    host, colon, port = (
        text.rpartition(":") if re.fullmatch(r"[^:]*:[^:]*|\[.*\]:.*", text) else (text, "", "")
    )
    validate.host(host, "domain")
    if colon:
        validate.port(port, "port")


def _address(text: str) -> None:
    validate.host(text, "address")


def _url_path(text: str) -> None:
    if not _URL_PATH.fullmatch(text):
        raise InvalidInput(f"{shown(text)} isn't a path of a URL", hint='write it like path = "/ws/"')


def address_pattern(text: bytes) -> re.Pattern[bytes]:
    """The regular expression of a file's address. Raises what ``re`` does."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # style advice for Python programs
        return re.compile(text)


def _pattern(text: str) -> None:
    try:
        compiled = address_pattern(text.encode())
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidInput(
            f"isn't a regular expression: {error}", hint="see docs.python.org/library/re"
        ) from error
    if compiled.groups != 1 or len(text) > _MAX_PATTERN:
        raise InvalidInput(
            "must have one group, around the address that is to be replaced",
            hint="""write it like pattern = 'wsUri = "([^"]*)"'; (?:…) groups nothing""",
        )


def _placeholder(text: str) -> None:
    if not text or len(text) > _MAX_PATTERN:
        raise InvalidInput("is empty or too long", hint='write it like placeholder = "{{WS_URL}}"')


def _target(text: str) -> None:
    if not text.startswith("/") or text.rstrip("/") == "" or "/../" in f"{text}/" or "/./" in f"{text}/":
        raise InvalidInput(
            f"{shown(text)} isn't an absolute path of a folder of its own", hint="write it like /srv/chat"
        )


def _file(text: str) -> None:
    if ".." in text.split("/") or text.endswith("/"):
        raise InvalidInput(
            f"{shown(text)} isn't a file of the application",
            hint="write it without .. and without / at its end",
        )


class AddressEntry(Entry):
    """A file in which the application's WebSocket address stands, and how it is found there, exactly once."""

    file: Annotated[Line, checked(_file)] = Field(
        description="Relative: in the source, or below the target; absolute: a file of the node."
    )
    pattern: Annotated[Line, checked(_pattern)] | None = option(
        "A regular expression (Python's) with one group: the address."
    )
    placeholder: Annotated[Line, checked(_placeholder)] | None = option(
        "A text that the address takes the place of, instead of a pattern."
    )
    path: Annotated[str, checked(_url_path)] | None = option(
        "Path of the address; that of the application's only route if left out."
    )

    @model_validator(mode="after")
    def _one_way(self) -> AddressEntry:
        if self.pattern is not None and self.placeholder is not None:
            raise misfit("stands beside pattern", "placeholder", hint="say one of them")
        if self.pattern is None and self.placeholder is None:
            raise misfit(
                "has neither pattern nor placeholder", hint='write one, like placeholder = "{{WS_URL}}"'
            )
        return self


class AppEntry(Entry):
    """An application: the node that runs it, how it gets there, and where it says its WebSocket address."""

    ssh: Line | None = option("As for a node; the application's own name if left out.")
    address: Annotated[str, checked(_address)] | None = option(
        "Host or address by which balancers reach it; the host of ssh if left out."
    )
    port: int = Field(ge=1, le=65535, description="Port on which it listens.")
    source: Line | None = option("Folder or archive (.tar, .tar.gz, .zip) to deploy, relative to this file.")
    target: Annotated[NodePath, checked(_target)] | None = option(
        "Folder of the node that holds the releases, and the link `current` to the one in use."
    )
    keep: int = Field(default=3, ge=1, le=100, description="Releases that are kept.")
    service: Name | None = option("Service to restart: systemd's, OpenRC's or service(8)'s name.")
    restart: Line | None = option("Command that restarts it, instead of a service.")
    ready_timeout: Seconds | None = option("Longest wait for its port after a restart; 30s if left out.")
    after: Names = Field(default=(), description="Applications that must be up before this one.")
    websocket: Annotated[tuple[AddressEntry, ...], Field(strict=False)] = Field(
        default=(), description="Files in which its WebSocket address stands."
    )
    state_dir: NodePath | None = option("Where the node keeps lock, undo and backups.")
    sudo: bool = Field(default=False, description="Do the node's work as root.")

    @model_validator(mode="after")
    def _fits(self) -> AppEntry:
        if self.source is not None and self.target is None:
            raise misfit("needs a target", "source", hint='add target = "/srv/chat": where it is deployed to')
        if self.service is not None and self.restart is not None:
            raise misfit("stands beside service", "restart", hint="say one of them")
        for number, one in enumerate(self.websocket):
            if not one.file.startswith("/") and self.target is None:
                raise misfit(
                    f"{shown(one.file)} is relative, and there is no target that it is below",
                    *("websocket", number, "file"),
                    hint='add target = "/srv/chat", or write an absolute path',
                )
        return self


class EnvironmentEntry(Entry):
    """The environment: what users reach, through the balancers."""

    domain: Annotated[str, checked(_domain)] = Field(
        description="HOST or HOST:PORT of the environment: addresses are ws://DOMAIN/PATH."
    )
    tls: bool = Field(default=False, description="Browsers come by TLS: addresses are wss://DOMAIN/PATH.")
    connect: Annotated[str, checked(_domain)] | None = option(
        "HOST:PORT to connect to for the proof from outside, where DNS doesn't know the domain yet."
    )
    wait: Seconds | None = option("Longest wait for SSH of each node; 2m if left out.")
    provider: Literal["jelastic"] | None = option("Platform that makes the nodes; none if left out.")
    jelastic: JelasticEntry | None = option("The platform's part, for the provider jelastic.")

    @model_validator(mode="after")
    def _has_provider(self) -> EnvironmentEntry:
        if self.provider == "jelastic" and self.jelastic is None:
            raise misfit("needs [environment.jelastic]", "provider", hint="add it, with hoster and env_name")
        return self
