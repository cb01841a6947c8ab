"""What ``ansible-inventory --list`` prints, made here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from nginxws.inventories.ansible import Inventory, parse

NAME = "inventory.json"


def listed(groups: Mapping[str, Any], hosts: Mapping[str, Any] | None = None) -> str:
    """The text: groups with their hosts (a list) or groups (a tuple), and hosts with their variables."""
    top: dict[str, Any] = {"_meta": {"hostvars": dict(hosts or {}), "profile": "inventory_legacy"}}
    for name, members in groups.items():
        top[name] = {"children" if isinstance(members, tuple) else "hosts": list(members)}
    top.setdefault("all", {"children": ["ungrouped", *groups]})
    return json.dumps(top, indent=4)


def inventory(groups: Mapping[str, Any], hosts: Mapping[str, Any] | None = None) -> Inventory:
    """The inventory."""
    return parse(listed(groups, hosts), NAME)
