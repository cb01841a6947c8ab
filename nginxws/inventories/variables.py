"""Nodes in environment variables: ``NGINXWS_NODES`` and ``NGINXWS_NODE_NAME_KEY``. Pure.

    NGINXWS_NODES="lb1 lb2=deploy@10.0.0.2"
    NGINXWS_NODE_LB1_SSH=deploy@10.0.0.1:2222
    NGINXWS_NODE_LB1_SUDO=1

A name in a variable is the node's in capitals, with ``_`` for all that isn't a letter or digit.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from nginxws.errors import InvalidInput
from nginxws.inventories.hosts import boolean, node_key
from nginxws.manifest.fields import NAME
from nginxws.manifest.model import NodeEntry
from nginxws.printable import one_line
from nginxws.validate import shown

#: Names of nodes, each with what ``ssh`` is if you like: ``NAME`` or ``NAME=SSH``, with blanks between.
LIST = "NGINXWS_NODES"
PREFIX = "NGINXWS_NODE_"
#: Longest value that is looked at, in characters.
_LONGEST = 100_000
_KEYS = {key.upper(): key for key in NodeEntry.model_fields}

#: A node's keys, each with its value and the variable that says so.
Told = dict[str, tuple[Any, str]]


def listed(environ: Mapping[str, str]) -> dict[str, Told]:
    """The nodes of ``NGINXWS_NODES`` in their order, with what it says of each. Raises InvalidInput."""
    text = environ.get(LIST, "")
    if len(text) > _LONGEST:
        raise InvalidInput(f"{LIST} is longer than {_LONGEST} characters", hint="write an inventory")
    found: dict[str, Told] = {}
    for word in text.split():
        name, equals, ssh = word.partition("=")
        if not NAME.fullmatch(name):
            raise InvalidInput(
                f"{LIST}: {shown(name)} isn't a name",
                hint="write NAME or NAME=SSH, with blanks between: names hold letters, digits, dot, dash "
                "and underscore",
            )
        if name in found:
            raise InvalidInput(f"{LIST}: {name} stands there twice", hint="leave one of them out")
        found[name] = {"ssh": (_value(LIST, "ssh", ssh), LIST)} if equals else {}
    return found


def told(environ: Mapping[str, str], names: Collection[str]) -> dict[str, Told]:
    """What the variables of single nodes say, by node. ``names`` are all nodes that there are.

    Raises InvalidInput for a variable of a node or key that isn't there, and for what can't be.
    """
    found: dict[str, Told] = {}
    for variable in sorted(environ):
        if variable.startswith(PREFIX):
            node, key = _meant(variable, names)
            found.setdefault(node, {})[key] = (_value(variable, key, environ[variable]), variable)
    return found


def _meant(variable: str, names: Iterable[str]) -> tuple[str, str]:
    """The node and the key that a variable is about."""
    rest = variable.removeprefix(PREFIX)
    owners = [(name, rest.removeprefix(f"{_upper(name)}_")) for name in names if _owns(name, rest)]
    meant = [(name, _KEYS[key]) for name, key in owners if key in _KEYS]
    if len(meant) == 1:
        return meant[0]
    if meant:
        both = " and ".join(name for name, _key in meant)
        raise InvalidInput(f"{variable} could be about {both}", hint="say it in the manifest")
    if owners:
        name, key = owners[0]
        close = get_close_matches(key, list(_KEYS), n=1)
        hint = (
            f"did you mean {PREFIX}{_upper(name)}_{close[0]}?" if close else f"there are: {', '.join(_KEYS)}"
        )
        raise InvalidInput(f"{one_line(variable)}: a node has no such key", hint=hint)
    raise InvalidInput(
        f"{one_line(variable)} is about no node that there is",
        hint=f"list its node in {LIST} or in the manifest, or unset it",
    )


def _owns(name: str, rest: str) -> bool:
    return rest.startswith(f"{_upper(name)}_")


def _upper(name: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", name.upper())


def _value(variable: str, key: str, text: str) -> Any:
    value: Any = text
    if key == "sudo":
        value = boolean(text)
        if value is None:
            raise InvalidInput(f"{variable}: {shown(text)} isn't a truth value", hint="write 1 or 0")
    elif key == "labels":
        value = text.split()
    try:
        return node_key(key, value)
    except InvalidInput as error:
        raise InvalidInput(f"{variable}: {error.message}", hint=error.hint) from error
