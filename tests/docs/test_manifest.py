"""The manifest's page has every key, and no other; its example is one."""

from __future__ import annotations

import re

import pytest
from pydantic import BaseModel

from nginxws.environment.unpacking import MAX_BYTES, MAX_ENTRIES
from nginxws.environment.wanted import wanted_apps
from nginxws.manifest.environment import AddressEntry, AppEntry, EnvironmentEntry
from nginxws.manifest.jelastic import JelasticEntry, LayerEntry
from nginxws.manifest.model import Manifest, NodeEntry, RouteEntry, RouteOptions
from nginxws.manifest.reading import MAX_SIZE, parse

PAGE = "docs/reference/manifest.md"


@pytest.mark.parametrize(
    ("section", "model", "without"),
    [
        ("The whole", Manifest, set()),
        ("A node", NodeEntry, set()),
        ("A route", RouteEntry, set(RouteOptions.model_fields)),
        ("The environment", EnvironmentEntry, set()),
        ("An application", AppEntry, set()),
        ("A file with an address", AddressEntry, set()),
        ("The platform", JelasticEntry, set()),
        ("A group of the platform's nodes", LayerEntry, set()),
        ("Route options", RouteOptions, set()),
    ],
)
def test_every_key_is_documented(
    pages: dict[str, str], section: str, model: type[BaseModel], without: set[str]
) -> None:
    (text,) = re.findall(rf"^## {section}\n(.*?)(?=^## |\Z)", pages[PAGE], re.M | re.S)
    keys = re.findall(r"^\| `(\w+)` \|", text, re.M)
    more = {"backend"} if model is RouteEntry else set()  # written instead of `backends`
    assert sorted(keys) == sorted(set(model.model_fields) - without | more)


def test_the_example_is_a_manifest(pages: dict[str, str]) -> None:
    example = re.findall(r"^```toml\n(.*?)^```", pages[PAGE], re.M | re.S)[0]
    manifest = parse(example, "example")
    assert (manifest.routes[0].path, list(manifest.nodes)) == ("/ws/", ["lb1"])
    (around,) = (
        one for one in re.findall(r"^```toml\n(.*?)^```", pages[PAGE], re.M | re.S) if "[apps." in one
    )
    (app,) = wanted_apps(parse(around, "example"))
    assert (app.name, app.files[0].on_node) == ("chat", "/srv/chat/current/public/chat.js")
    assert f"more than {MAX_ENTRIES} files or {MAX_BYTES >> 20} MiB" in " ".join(pages[PAGE].split())
    assert f"at most {MAX_SIZE >> 20} MiB" in pages[PAGE]
