"""Node scripts that take no notice of others, on purpose: what others wrote, or hold, must then be harmed."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass

import pytest
from rivals.inside import carry_out, link_to
from support.backend import Backend, open_socket
from support.nginx import NginxNode

from nginxws.errors import LockedError, NginxwsError, NodeError, StaleError
from nginxws.nodes.options import NodeOptions

pytestmark = [pytest.mark.nginx]

THEIRS = b"# theirs\n"
Mutations = list[tuple[str, str]]


# --- checks: whether the promise holds -----------------------------------------------------------


def before_activation(node: NginxNode, backend: Backend, changed: Mutations) -> bool:
    """A file that somebody writes just before it is replaced stays as he wrote it."""
    moment = "  step activate "
    write = (moment, f"echo '# theirs' >>'{node.site}'\n{moment}")
    with link_to(node) as link:
        error = carry_out(link, backend, changed=[*changed, write])
    return isinstance(error, StaleError) and node.site.read_bytes().endswith(THEIRS)


def while_we_probe(node: NginxNode, backend: Backend, changed: Mutations) -> bool:
    """A file that somebody writes during the probe isn't told to be ours."""
    before = node.site.read_bytes()

    def decide() -> None:
        node.site.write_bytes(before + THEIRS)

    with link_to(node) as link:
        error = carry_out(link, backend, decide, changed)
    return isinstance(error, StaleError) and not node.revisions()


def certbot(node: NginxNode, backend: Backend, changed: Mutations) -> bool:
    """Nothing is changed while certbot holds its lock."""
    with node.conf.with_name(".certbot.lock").open("w") as lock, link_to(node) as link:
        fcntl.lockf(lock, fcntl.LOCK_EX)
        return _locked(carry_out(link, backend, changed=changed))


def late_editor(node: NginxNode, backend: Backend, changed: Mutations) -> bool:
    """Nothing is changed when an editor has come while the new text was tested."""
    moment = "  step checkpoint\n"
    mark = node.site.with_name(f".#{node.site.name}")
    come = (moment, f"ln -s me@{socket.gethostname()}.{os.getpid()} '{mark}'\n{moment}")
    with link_to(node) as link:
        return _locked(carry_out(link, backend, changed=[*changed, come]))


def draining(node: NginxNode, backend: Backend, changed: Mutations) -> bool:
    """No reload while as many generations drain as are allowed."""
    with link_to(node) as link:
        assert carry_out(link, backend, path="/a/") is None
        with open_socket(node.port, "/a/"):
            assert carry_out(link, backend, path="/b/") is None
            with link_to(node, NodeOptions(max_draining=1)) as limited:
                error = carry_out(limited, backend, changed=changed, path="/c/")
    return isinstance(error, NodeError) and "still drain" in error.message


def _locked(error: NginxwsError | None) -> bool:
    return isinstance(error, LockedError)


# --- mutants -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mutant:
    """A node script that takes no notice, and the check that must tell."""

    name: str
    old: str
    new: str
    check: Callable[[NginxNode, Backend, Mutations], bool]


MUTANTS = [
    Mutant(
        "no last look before a file is replaced",
        "  still_there || return 1\n  why=",
        "  why=",
        before_activation,
    ),
    Mutant("no look before the commit", "  each_file still_ours ||", "  : ||", while_we_probe),
    Mutant("blind to certbot", "  certbot_edits || {", "  {", certbot),
    Mutant("blind to late editors", "  if somebody_edits; then return 1; fi\n", "", late_editor),
    Mutant("any number may drain", "&& few_draining; then", "; then", draining),
    Mutant("two generations are one", "|| $1 - last >= gap) n++", ") n = 0", draining),
]
CHECKS = (before_activation, while_we_probe, certbot, late_editor, draining)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_the_script_as_shipped_keeps_it(
    node: NginxNode, backend: Backend, check: Callable[[NginxNode, Backend, Mutations], bool]
) -> None:
    assert check(node, backend, [])


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_a_careless_script_is_noticed(node: NginxNode, backend: Backend, mutant: Mutant) -> None:
    assert not mutant.check(node, backend, [(mutant.old, mutant.new)])
