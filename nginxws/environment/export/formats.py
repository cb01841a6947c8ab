"""The formats by name. Pure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from nginxws.environment.export import ansible, cloud_init, compose, jps, shell
from nginxws.environment.export.jobs import Ask, refuse_unknown

FORMATS: Final[dict[str, Callable[[Ask], str]]] = {
    "jps": jps.export,
    "cloud-init": cloud_init.export,
    "compose": compose.export,
    "ansible": ansible.export,
    "shell": shell.export,
}


def export(name: str, ask: Ask) -> str:
    """The environment in a format, with a final newline.

    Raises InvalidInput for what the format can't say, and for names that the manifest doesn't have.
    """
    refuse_unknown(ask)
    return FORMATS[name](ask)
