"""Whatever the account on the node has set, exported or put on its PATH: the result is the same."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.nginx import NginxNode
from support.sshd import need

from nginxws.errors import NginxwsError
from nginxws.nodes import transaction
from nginxws.nodes.link import NodeLink
from nginxws.nodes.local import LocalProcess, LocalTransport
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.reading import read_node
from nginxws.nodes.script import script
from nginxws.nodes.sudo import Sudo
from nginxws.plan import Put
from nginxws.planner import make_plan
from nginxws.route import Route

pytestmark = [pytest.mark.nginx]

#: Programs that the node script uses; as a trap they stop whatever believes in them.
TOOLS = [
    "awk", "cat", "chmod", "cp", "cut", "date", "dd", "flock", "grep", "head",
    "id", "ln", "ls", "mkdir", "mv", "ps", "readlink", "realpath", "rm", "sed",
    "sha256sum", "sleep", "sort", "stat", "sync", "tail", "timeout", "tr", "uniq", "unshare",
]  # fmt: skip
#: Names of environment variables and values, all of which somebody's profile has exported once.
EXPORTS: dict[str, dict[str, str]] = {
    "nothing": {},
    "loose umask": {"UMASK": "0000"},
    "tight umask": {"UMASK": "0777"},
    "locale": {
        "LANG": "tr_TR.UTF-8",
        "LC_CTYPE": "ja_JP.SJIS",
        "LC_NUMERIC": "de_DE.UTF-8",
        "LANGUAGE": "de",
    },
    "IFS": {"IFS": "0123456789/ "},
    "CDPATH": {"CDPATH": "/:/etc:/tmp"},
    "ENV": {"ENV": "@TRAP@/rc", "BASH_ENV": "@TRAP@/rc"},
    "tools": {
        "GREP_OPTIONS": "-v",
        "GREP_COLORS": "mt=1",
        "POSIXLY_CORRECT": "1",
        "COLUMNS": "8",
        "TAR_OPTIONS": "-x",
    },
    "time zone": {"TZ": "Pacific/Kiritimati"},
    "shell options": {
        "SHELLOPTS": "braceexpand:noclobber:noglob:nounset:errexit:xtrace:allexport",
        "PS4": "+",
    },
    "functions": {
        f"BASH_FUNC_{name}%%": "() { echo trapped >&2; exit 66; }"
        for name in (*TOOLS, "echo", "kill", "read", "printf", "command", "mount", "umask", "wait")
    },
    "relative PATH": {"PATH": ".:bin:@PATH@"},
    "PATH of others": {"PATH": "@TRAP@:@PATH@"},
    "no PATH": {"PATH": ""},
    "our own variables": {
        "STATE": "/etc",
        "MAIN": "/etc/passwd",
        "NL": "x",
        "ME": "0",
        "S": "/",
        "NONCE": "1",
        "KEY": ".",
    },
}
SHELLS = [["dash"], ["bash"], ["busybox", "sh"]]


class Account(LocalTransport):
    """This machine through a login shell that has these variables, in the folder of a trap."""

    def __init__(self, shell: list[str], exports: dict[str, str], trap: Path) -> None:
        super().__init__()
        self._shell, self._trap = shell, trap
        self._exports = {
            name: value.replace("@TRAP@", str(trap)).replace("@PATH@", os.environ["PATH"])
            for name, value in exports.items()
        }

    def run(self, argv: object) -> LocalProcess:
        assert isinstance(argv, list)
        assert argv[0] == "/bin/sh"
        given = dict(self._exports)
        umask = given.pop("UMASK", "0022")
        begin = ["env", "--chdir", str(self._trap), *(f"{name}={value}" for name, value in given.items())]
        shell = [need(self._shell[0]), *self._shell[1:]]
        posix = ["-o", "posix"] if self._shell == ["bash"] else []
        return super().run(
            ["dash", "-c", f'umask {umask}; exec "$@"', "dash", *begin, *shell, *posix, *argv[1:]]
        )


@pytest.fixture(scope="module")
def trap(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that anybody can write to, full of programs that would do harm, and a rc file."""
    folder = tmp_path_factory.mktemp("trap")
    (folder / "bin").mkdir()
    for place in (folder, folder / "bin"):
        for name in TOOLS:
            (place / name).write_text(f"#!/bin/sh\necho {name} >>'{folder}/fallen'\nexit 66\n")
            (place / name).chmod(0o755)
        place.chmod(0o777)
    (folder / "rc").write_text(f"echo rc >>'{folder}/fallen'; exit 66\n")
    return folder


def traces(node: NginxNode) -> dict[str, str]:
    """Modes and owners of all that is left, and what the files of the configuration hold."""
    found = {name: words.replace(str(node.port), "PORT") for name, words in node.digests().items()}
    for path in sorted(node.state.rglob("*")):
        name = str(path.relative_to(node.state)).partition("/")[2]
        found[f"state/{name}"] = f"{path.stat().st_mode:o} {path.stat().st_uid}"
    return found


def change(node: NginxNode, transport: LocalTransport) -> None:
    """A route by the drivers alone."""
    options = NodeOptions(nginx_bin=node.binary, nginx_conf=str(node.conf), state_dir=str(node.state))
    with NodeLink("local", lambda: transport, Sudo(), options) as link:
        plan = make_plan(read_node(link, step), [Put(Route.create("/ws/", ["127.0.0.1:9"]))])
        transaction.run(link.session(), plan, options, transaction.new_id(), step, lambda: None)


def step(_name: str, _words: str) -> None:
    """Progress that nobody watches."""


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[NginxNode, Path]]:
    """A running node, and a copy of its configuration as it was."""
    node = NginxNode(tmp_path_factory.mktemp("node") / "node", need("nginx"))
    node.start()
    kept = node.prefix / "kept"
    shutil.copytree(node.conf.parent, kept)
    yield node, kept
    node.stop()


def renew(node: NginxNode, kept: Path) -> NginxNode:
    for path in kept.rglob("*.conf"):
        shutil.copy(path, node.conf.parent / path.relative_to(kept))
    shutil.rmtree(node.state, ignore_errors=True)
    return node


@pytest.fixture(scope="module")
def expected(fresh: tuple[NginxNode, Path]) -> dict[str, str]:
    """What a change leaves that nothing disturbs."""
    change(renew(*fresh), LocalTransport())
    assert "begin route /ws/" in fresh[0].site.read_text()
    return traces(fresh[0])


#: Where it matters which shell it is: all of them; else the first.
EACH = ("IFS", "shell options", "functions", "our own variables", "ENV")
CASES = [(name, shell) for name in EXPORTS for shell in (SHELLS if name in EACH else SHELLS[:1])]


@pytest.mark.parametrize(("name", "shell"), CASES, ids=[f"{name}-{shell[0]}" for name, shell in CASES])
def test_result_is_the_same(
    fresh: tuple[NginxNode, Path], trap: Path, expected: dict[str, str], name: str, shell: list[str]
) -> None:
    node = renew(*fresh)
    change(node, Account(shell, EXPORTS[name], trap))
    assert traces(node) == expected
    assert not (trap / "fallen").exists(), (trap / "fallen").read_text()


#: Each line of defence in the node script's head, and what gets through without it.
DEFENCES = [
    ("loose umask", "dash", "\numask 077\n", "\n"),
    ("shell options", "bash", "\nset +aefvxC; set -u\n", "\n"),
    ("functions", "bash", "\nunset -f ", "\n: "),
    ("PATH of others", "dash", "\nPATH=/usr/local/sbin:", "\nPATH=$1:/usr/local/sbin:"),
]


@pytest.mark.parametrize(("name", "shell", "line", "without"), DEFENCES, ids=[case[0] for case in DEFENCES])
def test_each_defence_is_needed(
    fresh: tuple[NginxNode, Path],
    trap: Path,
    expected: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    shell: str,
    line: str,
    without: str,
) -> None:
    text = script().decode()
    assert text.count(line) == 1
    broken = text.replace(line, without).encode()
    monkeypatch.setattr("nginxws.nodes.script.script", lambda: broken)
    monkeypatch.setattr("nginxws.nodes.session._PLAIN", "")
    change(renew(*fresh), LocalTransport())
    assert "begin route /ws/" in fresh[0].site.read_text(), "it works where nothing is in the way"
    try:
        change(renew(*fresh), Account([shell], EXPORTS[name], trap))
        assert traces(fresh[0]) != expected
    except NginxwsError:
        pass
    (trap / "fallen").unlink(missing_ok=True)
