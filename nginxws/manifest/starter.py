"""The text that ``nginxws init`` writes: a manifest with comments, empty or with what nodes have. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import tomlkit

from nginxws.printable import clean, one_line

_HEAD = """\
# The balancers, and the WebSocket routes that they are to have.
# `nginxws plan` shows what would change on them; `nginxws apply` changes it.
# Editors complete it with a schema: run `nginxws schema > nginxws.schema.json` and begin this file with
# #:schema ./nginxws.schema.json

format = 1
"""
_DEFAULTS = """
# Options of all routes that don't say otherwise.
# [defaults]
# read_timeout = "1h"
"""
_NODES = """
# A balancer: how it is reached, and which server block its routes go into.
# [nodes.lb1]
# ssh = "deploy@10.0.0.2:22"      # or a name from ssh_config, or "local"; left out: lb1 is that name
# server = "chat.example.com:443" # left out: the only one that serves
# labels = ["edge"]               # names for groups of nodes
"""
_ROUTES = """
# A route. Every option of `nginxws add-route` is a key, with underscores for dashes.
# [[routes]]
# path = "/ws/"
# backends = ["10.0.0.5:8080", "10.0.0.6:8080 weight=2"]
# nodes = ["edge"]                # names or labels; left out: all
"""


@dataclass(frozen=True, slots=True)
class StarterNode:
    """A node to begin with: its name, and the keys of its table."""

    name: str
    keys: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class StarterRoute:
    """A route to begin with: the keys of its entry, and notes above it; a proposal is commented out."""

    keys: Mapping[str, Any]
    notes: Sequence[str] = ()
    proposed: bool = False


def starter(nodes: Sequence[StarterNode] = (), routes: Sequence[StarterRoute] = ()) -> str:
    """The text. What isn't given stands in it as an example, commented out."""
    parts = [_HEAD, _DEFAULTS]
    parts += [_node(node) for node in nodes] or [_NODES]
    parts += [_route(route) for route in routes]
    if all(route.proposed for route in routes):
        parts.append(_ROUTES)
    return "".join(parts)


def _node(node: StarterNode) -> str:
    name = tomlkit.key(node.name).as_string()
    return "\n" + "".join(f"{line}\n" for line in (f"[nodes.{name}]", *_pairs(node.keys)))


def _route(route: StarterRoute) -> str:
    sign = "# " if route.proposed else ""
    notes = [f"# {one_line(note)}" for note in route.notes]
    entry = [f"{sign}{clean(line)}" for line in ("[[routes]]", *_pairs(route.keys))]
    return "\n" + "".join(f"{line}\n" for line in (*notes, *entry))


def _pairs(keys: Mapping[str, Any]) -> Iterator[str]:
    for key, value in keys.items():
        yield f"{key} = {tomlkit.item(value).as_string()}"
