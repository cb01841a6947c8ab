"""What Terraform's external data source is answered: one flat object of texts.

Lists are JSON in a text (``jsondecode``). Keys about one thing are ``what:which``: ``ws:/chat/``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from nginxws.environment.wanted import urls, written_address
from nginxws.errors import InvalidInput, NginxwsError
from nginxws.manifest.apps import apps_of
from nginxws.manifest.model import Manifest, RouteEntry
from nginxws.manifest.wanted import address_of, chosen_nodes, no_app
from nginxws.plan import NodePlan

#: Version of the keys: more may come within 1, none goes or changes its meaning.
FORMAT_VERSION = "1.0"
#: Bytes of an answer; Terraform keeps it in its state.
MAX_SIZE = 1024 * 1024
_ACTIONS = ("add", "change", "remove", "drift", "conflict")


@dataclass(frozen=True, slots=True)
class Asked:
    """What of a manifest is asked about: nodes by name, and routes with their entries."""

    manifest: Manifest
    nodes: tuple[str, ...]
    apps: tuple[str, ...]
    routes: tuple[RouteEntry, ...]
    whole: bool

    @classmethod
    def of(cls, manifest: Manifest, node: str, app: str, path: str) -> Asked:
        """Empty texts ask for everything. Raises InvalidInput for what isn't in the manifest."""
        nodes = tuple(chosen_nodes(manifest, [node] if node else None))
        if app and app not in manifest.apps:
            raise no_app(manifest, app)
        routes = tuple(
            entry
            for entry in manifest.routes
            if path in ("", entry.path)
            and (not app or app in apps_of(entry))
            and (not node or set(nodes) & set(chosen_nodes(manifest, entry.nodes)))
        )
        if path and not routes:
            where = "".join([f" on {node}" if node else "", f" to {app}" if app else ""])
            known = ", ".join(dict.fromkeys(entry.path for entry in manifest.routes)) or "none"
            raise InvalidInput(f"there is no route {path}{where}", hint=f"there are: {known}")
        apps = [app] if app else [name for name in manifest.apps if not (path or node)]
        named = [name for entry in routes for name in apps_of(entry)] if not app else []
        return cls(manifest, nodes, tuple(dict.fromkeys([*apps, *named])), routes, not (app or path))

    def is_about(self, route: str) -> bool:
        """Whether a route that a node has, or is to have, is among what is asked about."""
        return self.whole or any(entry.path == route for entry in self.routes)


@dataclass(frozen=True, slots=True)
class Looked:
    """A node that was looked at. ``revision`` is its newest, 0 for none; ``interrupted``: a change was cut
    short there, and isn't undone yet."""

    plan: NodePlan
    nginx: str
    revision: int
    interrupted: bool


def offline(asked: Asked, digest: str) -> dict[str, str]:
    """What the manifest says. ``digest`` is its own."""
    manifest, environment = asked.manifest, asked.manifest.environment
    paths = list(dict.fromkeys(entry.path for entry in asked.routes))
    found = {
        "format_version": FORMAT_VERSION,
        "digest": digest,
        "domain": "" if environment is None else environment.domain,
        "tls": _truth(environment is not None and environment.tls),
        "nodes": _list(asked.nodes),
        "apps": _list(asked.apps),
        "paths": _list(paths),
        "live": "false",
    }
    for name in asked.apps:
        app = manifest.apps[name]
        found[f"app:{name}"] = f"{address_of(name, app)}:{app.port}"
    addresses = dict(_addresses(asked))
    for kind in ("url", "ws", "wss"):
        found |= {f"{kind}:{path}": of[kind] for path, of in addresses.items()}
        found[kind] = next(iter(addresses.values()))[kind] if len(addresses) == 1 else ""
    return found


def _addresses(asked: Asked) -> Iterator[tuple[str, Mapping[str, str]]]:
    """The addresses of every route that has one, by its path."""
    if asked.manifest.environment is None:
        return
    for entry in asked.routes:
        for url in urls(asked.manifest.model_copy(update={"routes": (entry,)})):
            full = written_address(asked.manifest, url.path)
            yield entry.path, {"url": full, "ws": url.ws, "wss": url.wss or ""}


def live(asked: Asked, looked: Mapping[str, Looked]) -> dict[str, str]:
    """What the nodes say beside that, by their names."""
    found, total = {"live": "true"}, dict.fromkeys(_ACTIONS, 0)
    for name, node in looked.items():
        actions: list[str] = [one.action for one in node.plan.changes if asked.is_about(one.route)]
        counts = {action: actions.count(action) for action in _ACTIONS}
        total = {action: total[action] + counts[action] for action in _ACTIONS}
        # Shared blocks that are to be mended belong to no route.
        mends = bool(node.plan.files) and asked.whole
        found |= {
            f"nginx:{name}": node.nginx,
            f"revision:{name}": str(node.revision),
            f"changes:{name}": str(sum(counts.values())),
            f"in_sync:{name}": _truth(not any(counts.values()) and not mends),
            f"interrupted:{name}": _truth(node.interrupted),
        }
    found |= {action: str(number) for action, number in total.items()}
    found["changes"] = str(sum(total.values()))
    found["in_sync"] = _truth(all(found[f"in_sync:{name}"] == "true" for name in looked))
    return found


def text(answer: Mapping[str, str]) -> str:
    """The answer as it is printed. Raises NginxwsError for one that is too long."""
    made = json.dumps(answer, sort_keys=True)
    if len(made) > MAX_SIZE:
        raise NginxwsError(
            f"the answer would be longer than {MAX_SIZE} bytes", hint="ask for less: node, app, path"
        )
    return made


def _truth(value: bool) -> str:
    return "true" if value else "false"


def _list(names: Sequence[str]) -> str:
    return json.dumps(list(names))
