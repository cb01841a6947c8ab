"""``--format cloud-init``: user-data for one machine of the environment. Pure."""

from __future__ import annotations

import base64
import gzip
from typing import Any

from nginxws.environment.export.emitting import emit
from nginxws.environment.export.heading import heading
from nginxws.environment.export.jobs import Ask, apps, balancers
from nginxws.environment.export.script import Knobs, comment_lines, script
from nginxws.errors import InvalidInput

#: Where the script is kept on the machine.
PATH = "/usr/local/sbin/nginxws-environment"
#: Bytes of user-data that every cloud takes (Amazon EC2's limit).
SMALL = 16384
#: How often a route is tried, five minutes in all: the other machines may still be booting.
_PATIENCE = 1500

_USE = """
cloud-init user-data for the machine {name}: it needs no terminal, and may run any number of times.
By hand again: sh {path} apply {name}
The other machines may come up later than this one: a route that can't be proved within five minutes stays,
and what was seen is in /var/log/cloud-init-output.log.
Not covered: the service of an application (its unit must be in the image), certificates, undo, history.
"""


def export(ask: Ask) -> str:
    """The user-data. Raises InvalidInput unless it is clear for which machine."""
    name = _machine(ask)
    only = Ask(ask.manifest, ask.sources, ask.folder, name)
    nodes, applications = balancers(only, may_make_site=True), apps(only)
    text = heading(ask, _USE.format(name=name, path=PATH))
    body = script(nodes, applications, text, Knobs(_PATIENCE, lenient=True))
    packages = [*(["nginx"] if nodes else []), "curl"]
    document: dict[str, Any] = {
        "package_update": True,
        "packages": packages,
        "write_files": [{"path": PATH, "owner": "root:root", "permissions": "0700", **_content(body)}],
        "runcmd": [["/bin/sh", PATH, "apply", name]],
    }
    return (
        "\n".join(["#cloud-config", *(f"# {line}".rstrip() for line in comment_lines(text))])
        + "\n"
        + emit(document)
    )


def _machine(ask: Ask) -> str:
    names = [*ask.manifest.nodes, *ask.manifest.apps]
    if ask.only is not None:
        return ask.only
    if len(names) != 1:
        raise InvalidInput(
            "user-data is for one machine, and the manifest has several",
            hint=f"say which one with --only: {', '.join(names)}",
        )
    return names[0]


def _content(body: str) -> dict[str, str]:
    """As text where that is small enough for every cloud, else compressed."""
    if len(body) < SMALL:
        return {"content": body}
    packed = base64.b64encode(gzip.compress(body.encode(), mtime=0)).decode()
    return {"encoding": "gz+b64", "content": packed}
