"""Nodes from elsewhere than the manifest, as the command line and the environment name them."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nginxws.cli.parameters import stands_there
from nginxws.errors import InvalidInput, NginxwsError

if TYPE_CHECKING:
    from nginxws.inventories.ansible import Inventory
    from nginxws.inventories.joining import Sources

_LIST, _PREFIX = "NGINXWS_NODES", "NGINXWS_NODE_"


def sources_meant(options: dict[str, Any]) -> Sources | None:
    """Where nodes come from besides the manifest, None for nowhere else: the usual case costs no import.

    Raises NginxwsError for an inventory that can't be read, ManifestError for one that isn't one.
    """
    about = {
        name: value
        for name, value in os.environ.items()
        if value and (name == _LIST or name.startswith(_PREFIX))
    }
    path = options.get("inventory")
    if not path and not about:
        return None
    from nginxws.inventories.joining import Sources

    return Sources(_read(path) if path else None, about, tuple(options.get("nodes") or ()))


def refuse_unused(options: dict[str, Any]) -> None:
    """Raise InvalidInput where nodes from elsewhere are meant, and there is no manifest to join them to."""
    if options.get("inventory") and stands_there("inventory"):
        raise InvalidInput(
            "--inventory adds nodes to a manifest, and none is meant here",
            hint="name one with --manifest; `nginxws init` writes one",
        )
    aside = options.get("nodes") or options.get("no_manifest") or options.get("file")
    if os.environ.get(_LIST) and "manifest" in options and not aside:
        raise InvalidInput(
            f"{_LIST} adds nodes to a manifest, and there is none here, nor in a folder above",
            hint="name it with --manifest, or a node with --node",
        )


def _read(path: str) -> Inventory:
    from nginxws.inventories.ansible import MAX_SIZE, parse

    name = "the inventory on stdin" if path == "-" else path
    try:
        if path == "-":
            data = sys.stdin.buffer.read(MAX_SIZE + 1)
        else:
            with Path(path).open("rb") as stream:
                data = stream.read(MAX_SIZE + 1)
        text = data.decode()
    except OSError as error:
        raise NginxwsError(
            f"cannot read the inventory: {error.strerror}",
            file=name,
            hint="make it with `ansible-inventory --list > inventory.json`",
        ) from error
    except UnicodeDecodeError as error:
        raise NginxwsError("isn't UTF-8 text", file=name, hint="is it the right file?") from error
    return parse(text, name)
