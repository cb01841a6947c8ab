"""The kinds of values that keys of ``nginxws.toml`` have. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from nginxws import validate
from nginxws.backend import Backend
from nginxws.errors import InvalidInput

#: What nodes, labels and applications are called.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def checked(check: Callable[[Any], object]) -> AfterValidator:
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


def tls_name(text: str) -> None:
    validate.dns_name(text, "TLS name")


def ca_file(text: str) -> None:
    validate.node_file(text, "CA file")


#: A backend that is an application of this manifest: ``app:NAME``, then parameters as usual.
APP_BACKEND = re.compile(r"app:([A-Za-z0-9][A-Za-z0-9._-]*)(?=[ ,]|$)")


def _backend(text: str) -> None:
    """As on the command line, or ``app:NAME``."""
    Backend.parse(APP_BACKEND.sub("localhost:1", text, count=1))


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
Name = Annotated[str, StringConstraints(pattern=f"^{NAME.pattern}$")]
Names = Annotated[tuple[Name, ...], Field(strict=False)]
Seconds = Annotated[
    int, Field(ge=1, le=validate.MAX_SECONDS), BeforeValidator(_seconds), WithJsonSchema(_TIME)
]
Headers = Annotated[
    tuple[Annotated[str, checked(_header)], ...],
    Field(strict=False),
    BeforeValidator(_pairs),
    _list_or_table("^[^=]+="),
]
ProbeHeaders = Annotated[
    tuple[Annotated[str, checked(_pair)], ...],
    Field(strict=False),
    BeforeValidator(_pairs),
    _list_or_table("^[^=]+="),
]
Backends = Annotated[
    tuple[Annotated[str, checked(_backend)], ...],
    Field(strict=False, json_schema_extra={"minItems": 1}),
    checked(_any),  # pydantic's own min_length also speaks up where an element is wrong
]
Line = Annotated[str, checked(_line), Field(json_schema_extra={"minLength": 1})]
NodePath = Annotated[str, checked(_absolute), Field(json_schema_extra={"pattern": "^/"})]


def misfit(message: str, *key: str | int, hint: str) -> PydanticCustomError:
    """Keys of one table that don't fit together; ``key`` is the one to change, from that table on."""
    return PydanticCustomError("misfit", "{message}", {"message": message, "key": key, "hint": hint})


class Entry(BaseModel):
    """A table: unknown keys are mistakes, and text isn't taken for a number."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, title=None)


def option(text: str) -> Any:
    """An option that may be left out; ``text`` is shown by editors."""
    return Field(default=None, description=text)
