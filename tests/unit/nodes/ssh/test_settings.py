"""From ssh_config's words to settings: defaults, tokens, trust, hops."""

from __future__ import annotations

import getpass
import socket
from pathlib import Path

import pytest

from nginxws.errors import ConfigError
from nginxws.nodes.connect import SshOptions
from nginxws.nodes.ssh.settings import HostSettings, Trust, resolve
from nginxws.nodes.transport import Target


def settings(
    tmp_path: Path,
    text: str,
    target: str = "lb1",
    *,
    accept_new: bool = False,
    strict: bool = False,
    identity: Path | None = None,
) -> HostSettings:
    path = tmp_path / "config"
    path.write_text(text)
    options = SshOptions(config=path, accept_new=accept_new, strict=strict, identity=identity)
    return resolve(Target.parse(target), options, home=Path("/home/me"))


def test_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    found = settings(tmp_path, "")
    assert (found.host, found.port, found.user) == ("lb1", 22, getpass.getuser())
    assert found.known_as == "lb1"
    assert found.trust is Trust.STRICT
    assert found.known_hosts[0] == Path("/home/me/.ssh/known_hosts")
    assert found.global_known_hosts[0] == Path("/etc/ssh/ssh_known_hosts")
    assert Path("/home/me/.ssh/id_ed25519") in found.identity_files
    assert not found.identities_given
    assert not found.identities_only
    assert found.agent is None
    assert (found.connect_timeout, found.alive_interval, found.alive_count) == (15, 15, 3)
    assert found.jumps == ()
    assert found.proxy_command is None


def test_command_line_wins(tmp_path: Path) -> None:
    found = settings(tmp_path, "User config\nPort 1\nHostName %h.example.com\n", "ssh://me@lb1:2022")
    assert (found.name, found.host, found.port, found.user) == (
        "ssh://me@lb1:2022",
        "lb1.example.com",
        2022,
        "me",
    )
    assert found.known_as == "[lb1.example.com]:2022"
    assert found.place == "lb1.example.com:2022"


def test_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEYS", "/keys")
    found = settings(
        tmp_path,
        "HostName real\nPort 2022\nUser me\nIdentityAgent ${KEYS}/agent\nUserKnownHostsFile ~/kh_%k /kh/%%x\n"
        "IdentityFile ~/.ssh/%n_%h_%p_%r\nIdentityFile ${KEYS}/%u_%L\nIdentityFile %d/x\n",
    )
    host = socket.gethostname().partition(".")[0]
    assert found.identity_files == (
        Path("/home/me/.ssh/lb1_real_2022_me"),
        Path(f"/keys/{getpass.getuser()}_{host}"),
        Path("/home/me/x"),
    )
    assert found.identities_given
    assert found.agent == "/keys/agent"
    assert found.known_hosts == (Path("/home/me/kh_real"), Path("/kh/%x"))


def test_proxy_command_tokens(tmp_path: Path) -> None:
    text = 'HostName real\nProxyCommand nc -X "%%" %h %p # %r\n'
    assert settings(tmp_path, text).proxy_command is not None
    assert str(settings(tmp_path, text).proxy_command).startswith('nc -X "%" real 22')
    assert settings(tmp_path, "ProxyCommand none\n").proxy_command is None


@pytest.mark.parametrize(
    ("value", "option", "expected"),
    [
        ("yes", False, Trust.STRICT),
        ("ask", False, Trust.STRICT),
        ("accept-new", False, Trust.ACCEPT_NEW),
        ("no", False, Trust.STRICT),
        ("off", False, Trust.STRICT),
        ("yes", True, Trust.ACCEPT_NEW),
    ],
)
def test_trust(tmp_path: Path, value: str, option: bool, expected: Trust) -> None:
    text = f"StrictHostKeyChecking {value}\n"
    assert settings(tmp_path, text, accept_new=option).trust is expected
    assert settings(tmp_path, text, accept_new=option, strict=True).trust is Trust.STRICT


def test_strict_holds_for_every_hop(tmp_path: Path) -> None:
    text = "StrictHostKeyChecking accept-new\nHost lb1\nProxyJump a,b\n"
    (first, second) = settings(tmp_path, text, strict=True).jumps
    assert {first.trust, second.trust} == {Trust.STRICT}


def test_a_key_file_that_is_named_comes_first_and_for_the_node_alone(tmp_path: Path) -> None:
    key = Path("/keys/deploy")
    found = settings(tmp_path, "IdentityFile /a\nHost lb1\nProxyJump jump\n", identity=key)
    assert (found.identity_files, found.identities_given) == ((key, Path("/a")), True)
    assert found.jumps[0].identity_files == (Path("/a"),)
    assert settings(tmp_path, "", identity=key).identity_files == (key,), "instead of the usual ones"


@pytest.mark.parametrize(
    ("value", "expected"), [("none", None), ("SSH_AUTH_SOCK", "/a"), ("$OTHER", "/b"), ("~/s", "/home/me/s")]
)
def test_agent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str, expected: str | None) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", "/a")
    monkeypatch.setenv("OTHER", "/b")
    assert settings(tmp_path, f"IdentityAgent {value}\n").agent == expected


def test_jumps_outermost_first(tmp_path: Path) -> None:
    found = settings(
        tmp_path,
        "Host lb1\n ProxyJump me@a:2022,b\nHost a\n ProxyJump gate\n HostName 10.0.0.1\n"
        "Host b\n ProxyJump never\n",
    )
    assert [(hop.name, hop.host, hop.port) for hop in found.jumps] == [
        ("gate", "gate", 22),
        ("me@a:2022", "10.0.0.1", 2022),
        ("b", "b", 22),
    ]
    assert found.jumps[1].user == "me"
    assert all(hop.jumps == () for hop in found.jumps)


def test_no_jump(tmp_path: Path) -> None:
    assert settings(tmp_path, "Host lb1\n ProxyJump none\nHost *\n ProxyJump gate\n").jumps == ()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("CanonicalizeHostname yes\n", "canonicalizehostname"),
        ("ProxyUseFdpass yes\n", "proxyusefdpass"),
        ("Port x\n", "port"),
        ("Port 70000\n", "port"),
        ("IdentitiesOnly maybe\n", "identitiesonly"),
        ("StrictHostKeyChecking perhaps\n", "StrictHostKeyChecking"),
        ("AddressFamily inet5\n", "AddressFamily"),
        ("IdentityFile %z\n", "unknown token"),
        ("IdentityFile ${NGINXWS_NOT_SET}/x\n", "isn't set"),
        ("ProxyJump a:b\n", "ProxyJump"),
        ("ProxyJump lb1\n", "circles"),
        ("ConnectTimeout soon\n", "connecttimeout"),
    ],
)
def test_what_cannot_be_followed_is_named(tmp_path: Path, text: str, word: str) -> None:
    with pytest.raises(ConfigError, match=word) as caught:
        settings(tmp_path, text)
    assert caught.value.line == 1
    assert caught.value.file == str(tmp_path / "config")
    assert caught.value.hint


def test_algorithms(tmp_path: Path) -> None:
    assert settings(tmp_path, "HostKeyAlgorithms ssh-ed25519,rsa-sha2-512\n").host_key_algorithms == (
        "ssh-ed25519",
        "rsa-sha2-512",
    )
    assert settings(tmp_path, "HostKeyAlgorithms +ssh-rsa\n").host_key_algorithms == ()
