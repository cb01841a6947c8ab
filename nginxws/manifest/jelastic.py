"""What may stand in ``[environment.jelastic]``: the platform's part of an environment. Pure.

Plain values only: ``nginxws.providers.jelastic.Settings`` is made of them.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from nginxws import validate
from nginxws.errors import InvalidInput
from nginxws.manifest.fields import Entry, Line, Name, NodePath, Seconds, checked, option
from nginxws.validate import shown

_ENV_NAME = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def _hoster(text: str) -> None:
    validate.host(text, "hoster")


def _env_name(text: str) -> None:
    if not _ENV_NAME.fullmatch(text):
        raise InvalidInput(
            f"{shown(text)} can't be the name of an environment",
            hint="small letters, digits and dashes: it is a part of its domain",
        )


def _variable(text: str) -> None:
    if not _VARIABLE.fullmatch(text):
        raise InvalidInput(
            f"{shown(text)} isn't the name of a variable", hint="the token itself never stands here"
        )


def _url(schemes: tuple[str, ...], text: str) -> None:
    try:
        parts = urlsplit(text)
        fits = parts.scheme in schemes and parts.hostname and "@" not in parts.netloc and text.isascii()
    except ValueError:
        fits = False
    if not fits or re.search(r"[\x00-\x20\x7f]", text):
        raise InvalidInput(
            f"isn't an {schemes[-1]} URL without user information",
            hint=f"write it like {schemes[-1]}://HOST/PATH",
        )


def _archive(text: str) -> None:
    _url(("http", "https"), text)


def _api(text: str) -> None:
    _url(("https",), text)


class LayerEntry(Entry):
    """A group of nodes of the environment; all but the group matter only when the environment is made."""

    type: Name | None = option("The platform's node type, such as nginx or nodejs.")
    group: Name | None = option("The platform's node group: bl for the balancer, cp for the application.")
    count: int = Field(default=1, ge=1, le=50, description="Nodes of the group.")
    fixed_cloudlets: int = Field(default=1, ge=0, le=4096, description="Cloudlets that are reserved.")
    cloudlets: int = Field(default=4, ge=1, le=4096, description="Cloudlets that may be used.")


class JelasticEntry(Entry):
    """The platform's part of an environment. The access token never stands here."""

    hoster: Annotated[str, checked(_hoster)] = Field(
        description="Domain of the platform: its API is at https://app.HOSTER/1.0."
    )
    env_name: Annotated[str, checked(_env_name)] = Field(
        description="Name of the environment on the platform."
    )
    api: Annotated[str, checked(_api)] | None = option("URL of the API, where it stands elsewhere.")
    token_env: Annotated[str, checked(_variable)] | None = option(
        "Environment variable that holds the access token; NGINXWS_JELASTIC_TOKEN if left out."
    )
    region: Line | None = option("Region in which the environment is made; the account's own if left out.")
    balancer: LayerEntry = Field(
        default_factory=LayerEntry, description="The balancer's nodes; type nginx and group bl if left out."
    )
    application: LayerEntry | None = option("The application's nodes; group cp if left out.")
    archive: Annotated[str, checked(_archive)] | None = option(
        "URL of the application's archive; the platform fetches it."
    )
    archive_name: Line | None = option("File name of the archive; the URL's if left out.")
    context: Line | None = option("Context that the archive is deployed into; ROOT if left out.")
    nginx_conf: NodePath | None = option("The balancer's main file; /etc/nginx/nginx.conf if left out.")
    reload: Literal["reload", "restart"] | None = option(
        "restart: RestartNodesByGroup, which drops open WebSockets; reload if left out."
    )
    wait: Seconds | None = option("Longest wait for the environment to run; 10m if left out.")

    @model_validator(mode="after")
    def _deployable(self) -> JelasticEntry:
        if self.archive is not None and self.application is None:
            raise PydanticCustomError("application", "archive needs [environment.jelastic.application]")
        return self
