"""Whose host key is trusted: what known_hosts can say, judged by us and by the real ssh(1) side by side."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.login import SOON, configure, keygen, login, public, ssh_keygen, works
from support.sshd import SshdFactory, SshServer, need, running

from nginxws.errors import HostKeyError

pytestmark = pytest.mark.sshd


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Public keys by name, none of them the server's."""
    folder = tmp_path_factory.mktemp("keys")
    return {name: public(keygen(folder / name)) for name in ("other", "another")}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshServer]:
    with running(need("sshd"), tmp_path_factory.mktemp("sshd"), (), "ed25519") as server:
        yield server


@pytest.fixture
def server(shared: SshServer) -> Iterator[SshServer]:
    """A server whose client files are as new after each test."""
    files = {path: path.read_bytes() for path in (shared.config, shared.known_hosts)}
    yield shared
    for path, data in files.items():
        path.write_bytes(data)


def ssh_goes_in(server: SshServer) -> bool:
    """Whether ssh(1) itself trusts the host, asking nobody; known_hosts is put back afterwards."""
    before = server.known_hosts.read_bytes() if server.known_hosts.exists() else b""
    strict = (
        [] if "StrictHostKeyChecking" in server.config.read_text() else ["-o", "StrictHostKeyChecking=yes"]
    )
    command = ["ssh", "-F", str(server.config), "-o", "BatchMode=yes", "-o", "UpdateHostKeys=no", *strict]
    done = subprocess.run(
        [*command, "node", "true"], capture_output=True, timeout=SOON, check=False, stdin=subprocess.DEVNULL
    )
    server.known_hosts.write_bytes(before)
    return done.returncode == 0


def we_go_in(server: SshServer) -> bool:
    try:
        return works(login(server))
    except HostKeyError:
        return False


#: known_hosts with @KEY@ (the server's), @OTHER@, @HOST@ ([127.0.0.1]:port), @PORT@; is it trusted?
LINES = {
    "known": ("@HOST@ @KEY@", True),
    "nothing": ("", False),
    "only a comment": ("# @HOST@ @KEY@", False),
    "changed": ("@HOST@ @OTHER@", False),
    "changed, but once known": ("@HOST@ @OTHER@\n@HOST@ @KEY@", True),
    "another host's": ("[127.0.0.2]:@PORT@ @KEY@", False),
    "another port's": ("[127.0.0.1]:1 @KEY@", False),
    "without its port": ("127.0.0.1 @KEY@", True),
    "changed without its port": ("127.0.0.1 @OTHER@", False),
    "known without its port, changed with it": ("127.0.0.1 @KEY@\n@HOST@ @OTHER@", False),
    "one of a list": ("a,b,@HOST@,c @KEY@", True),
    "star": ("* @KEY@", True),
    "star for the port": ("[127.0.0.1]:* @KEY@", True),
    "question marks": ("[127.0.0.?]:????? @KEY@", True),
    "pattern of others": ("[10.*]:* @KEY@", False),
    "negated": ("*,!@HOST@,!127.0.0.1 @KEY@", False),
    "negated other": ("*,!10.* @KEY@", True),
    "only negated": ("!10.* @KEY@", False),
    "revoked before": ("@revoked * @KEY@\n@HOST@ @KEY@", False),
    "revoked after": ("@HOST@ @KEY@\n@revoked @HOST@ @KEY@", False),
    "revoked for another host": ("@revoked 10.0.0.1 @KEY@\n@HOST@ @KEY@", True),
    "another one revoked": ("@revoked * @OTHER@\n@HOST@ @KEY@", True),
    "unknown marker": ("@trusted @HOST@ @KEY@", False),
    "marker without a key": ("@revoked\n@HOST@ @KEY@", True),
    "the key as an authority": ("@cert-authority @HOST@ @KEY@", False),
    "the key, and another's authority": ("@cert-authority * @OTHER@\n@HOST@ @KEY@", True),
    "garbage before": ("what is this\n@HOST@ ssh-ed25519 !!!!\n@HOST@ @KEY@", True),
    "tabs and blanks": ("\t @HOST@ \t @KEY@ \t a comment", True),
    "Windows line ends": ("@HOST@ @OTHER@\r\n@HOST@ @KEY@\r", True),
}


@pytest.mark.parametrize("name", LINES)
def test_known_hosts_as_ssh_reads_it(server: SshServer, keys: dict[str, str], name: str) -> None:
    text, trusted = LINES[name]
    server.known_hosts.write_text(fill(text, server, keys))
    assert ssh_goes_in(server) is trusted, "what ssh(1) itself does"
    before = server.known_hosts.read_bytes()
    assert we_go_in(server) is trusted
    assert server.known_hosts.read_bytes() == before, "reading changes nothing"


@pytest.mark.parametrize("name", ["known", "changed", "another port's", "without its port", "revoked after"])
def test_hashed_names(server: SshServer, keys: dict[str, str], name: str) -> None:
    text, trusted = LINES[name]
    server.known_hosts.write_text(fill(text, server, keys))
    subprocess.run(["ssh-keygen", "-H", "-f", server.known_hosts], check=True, capture_output=True)
    plain = [line for line in server.known_hosts.read_text().splitlines() if "127.0.0.1" in line]
    assert all(line.startswith("@") for line in plain), "ssh-keygen leaves lines with a marker alone"
    assert ssh_goes_in(server) is we_go_in(server) is trusted


def fill(text: str, server: SshServer, keys: dict[str, str]) -> str:
    marks = {"@HOST@": server.known_as, "@PORT@": str(server.port), "@KEY@": server.host_public_key}
    for mark, value in (marks | {"@OTHER@": keys["other"]}).items():
        text = text.replace(mark, value)
    return text + "\n"


def test_first_of_several_files_does_not_outrank_the_second(
    server: SshServer, keys: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "first").write_text(f"{server.known_as} {keys['other']}\n")
    configure(server, f"UserKnownHostsFile {tmp_path}/first {tmp_path}/missing {server.known_hosts}")
    assert ssh_goes_in(server)
    assert we_go_in(server)


def test_what_one_file_revokes_no_other_can_grant(server: SshServer, tmp_path: Path) -> None:
    (tmp_path / "global").write_text(f"@revoked * {server.host_public_key}\n")
    configure(server, f"GlobalKnownHostsFile {tmp_path}/global")
    assert not ssh_goes_in(server)
    assert not we_go_in(server)


@pytest.mark.parametrize("setting", ["yes", "ask", "no", "off", "accept-new"])
@pytest.mark.parametrize("state", ["unknown", "changed", "revoked"])
def test_strict_host_key_checking(server: SshServer, keys: dict[str, str], setting: str, state: str) -> None:
    """Only accept-new takes an unknown key, and nothing takes a changed or revoked one: stricter than ssh."""
    text = {
        "unknown": "",
        "changed": f"{server.known_as} {keys['other']}\n",
        "revoked": f"@revoked * {server.host_public_key}\n",
    }[state]
    server.known_hosts.write_text(text)
    configure(server, f"StrictHostKeyChecking {setting}")
    if (setting, state) == ("accept-new", "unknown"):
        assert we_go_in(server)
        assert server.known_hosts.read_text() == f"{server.known_as} {server.host_public_key}\n"
    else:
        assert not we_go_in(server)
        assert server.known_hosts.read_text() == text


def test_hash_known_hosts(server: SshServer) -> None:
    server.known_hosts.write_text("")
    configure(server, "HashKnownHosts yes", "StrictHostKeyChecking accept-new")
    assert we_go_in(server)
    text = server.known_hosts.read_text()
    assert text.startswith("|1|")
    assert "127.0.0.1" not in text
    configure(server, "StrictHostKeyChecking yes")
    assert ssh_goes_in(server), "ssh(1) finds the host in it"
    assert we_go_in(server)


def test_host_key_alias_is_the_only_name(server: SshServer, keys: dict[str, str]) -> None:
    configure(server, "HostKeyAlias lb1")
    assert not we_go_in(server)
    server.known_hosts.write_text(f"lb1 {keys['other']}\n{server.known_as} {server.host_public_key}\n")
    assert ssh_goes_in(server) is we_go_in(server) is False
    server.known_hosts.write_text(f"lb1 {server.host_public_key}\n")
    assert ssh_goes_in(server) is we_go_in(server) is True


@pytest.mark.parametrize(
    ("setting", "address", "trusted"),
    [("yes", "KEY", True), ("yes", "other", False), ("yes", "", True), ("no", "other", True)],
)
def test_check_host_ip(
    server: SshServer, keys: dict[str, str], setting: str, address: str, trusted: bool
) -> None:
    """The name's key is right, but the address is known by another one."""
    configure(server, f"CheckHostIP {setting}", "HostName localhost", "AddressFamily inet")
    lines = [f"[localhost]:{server.port} {server.host_public_key}"]
    if address:
        lines.append(f"{server.known_as} {keys.get(address, server.host_public_key)}")
    server.known_hosts.write_text("\n".join(lines) + "\n")
    assert we_go_in(server) is trusted  # ssh(1) doesn't look on loopback, so it can't be asked here


# --- certificates --------------------------------------------------------------------------------

Certified = Callable[..., SshServer]


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return keygen(tmp_path_factory.mktemp("ca") / "ca")


@pytest.fixture
def certified(sshd: SshdFactory, authority: Path, tmp_path: Path) -> Certified:
    """A server that shows a certificate of its key, made with these options of ssh-keygen."""

    def start(*options: str, kind: str = "ed25519", signer: Path = authority) -> SshServer:
        key = keygen(tmp_path / "hostkey", "-t", kind, "-N", "")
        ssh_keygen("-s", str(signer), "-I", "lb1", *(options or ("-h", "-n", "127.0.0.1")), f"{key}.pub")
        server = sshd(f"HostKey {key}", f"HostCertificate {key}-cert.pub")
        server.known_hosts.write_text(f"@cert-authority {server.known_as} {public(signer)}\n")
        return server

    return start


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_certificate(certified: Certified, kind: str) -> None:
    server = certified(kind=kind)
    assert ssh_goes_in(server)
    assert we_go_in(server)


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_other_kinds_of_authority(certified: Certified, tmp_path: Path, kind: str) -> None:
    assert we_go_in(certified(signer=keygen(tmp_path / "ca", "-t", kind, "-N", "")))


def test_signature_with_sha1_does_not_count(certified: Certified, tmp_path: Path) -> None:
    signer = keygen(tmp_path / "ca", "-t", "rsa", "-N", "")
    server = certified("-h", "-n", "127.0.0.1", "-t", "ssh-rsa", signer=signer)
    assert not ssh_goes_in(server)
    with pytest.raises(HostKeyError, match="bad signature"):
        login(server)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("-h", "-n", "10.0.0.1,lb2"), r"is for 10\.0\.0\.1, lb2, not for 127\.0\.0\.1"),
        (("-h", "-n", "127.0.0.1", "-V", "20200101:20200201"), "has expired"),
        (("-h", "-n", "127.0.0.1", "-V", "20400101:20410101"), "isn't valid yet"),
        (("-n", "127.0.0.1"), "one of a user"),
        (("-h", "-n", "127.0.0.1", "-O", "critical:x=y"), "conditions"),
        (("-h",), "no host by name"),
    ],
)
def test_certificate_that_is_not_good(certified: Certified, options: tuple[str, ...], words: str) -> None:
    server = certified(*options)
    if options != ("-h",):  # ssh(1) lets a certificate for nobody be one for anybody; we don't
        assert not ssh_goes_in(server)
    with pytest.raises(HostKeyError, match=words) as caught:
        login(server, accept_new=True)
    assert (caught.value.file, caught.value.line) == (str(server.known_hosts), 1)
    assert caught.value.hint


def test_certificate_of_another_authority(certified: Certified, tmp_path: Path) -> None:
    server = certified(signer=keygen(tmp_path / "stranger"))
    server.known_hosts.write_text(f"@cert-authority * {public(keygen(tmp_path / 'ca'))}\n")
    assert not ssh_goes_in(server)
    with pytest.raises(HostKeyError, match="another authority"):
        login(server, accept_new=True)


@pytest.mark.parametrize("where", ["known_hosts", "RevokedHostKeys"])
@pytest.mark.parametrize("what", ["authority", "key"])
def test_revoked_for_certificates(
    certified: Certified, authority: Path, tmp_path: Path, where: str, what: str
) -> None:
    server = certified()
    key = public(authority if what == "authority" else tmp_path / "hostkey")
    if where == "known_hosts":
        server.known_hosts.write_text(server.known_hosts.read_text() + f"@revoked * {key}\n")
    else:
        (tmp_path / "revoked").write_text(f"{key}\n")
        configure(server, f"RevokedHostKeys {tmp_path}/revoked")
    assert not ssh_goes_in(server)
    with pytest.raises(HostKeyError, match="revoked"):
        login(server, accept_new=True)


def test_plain_key_alongside(certified: Certified, tmp_path: Path) -> None:
    """A certificate that isn't good is no worse than none: the plain key may be known by itself."""
    server = certified("-h", "-n", "elsewhere")
    authority_line = server.known_hosts.read_text()
    server.known_hosts.write_text(f"{authority_line}{server.known_as} {public(tmp_path / 'hostkey')}\n")
    assert ssh_goes_in(server) is we_go_in(server) is True
    server.known_hosts.write_text(f"{authority_line}{server.known_as} {public(keygen(tmp_path / 'x'))}\n")
    assert ssh_goes_in(server) is we_go_in(server) is False


def test_certificate_by_the_name_without_port_and_by_alias(certified: Certified, authority: Path) -> None:
    server = certified("-h", "-n", "lb1,127.0.0.1")
    server.known_hosts.write_text(f"@cert-authority 127.0.0.* {public(authority)}\n")
    assert ssh_goes_in(server) is we_go_in(server) is True
    configure(server, "HostKeyAlias lb1")
    assert ssh_goes_in(server) is we_go_in(server) is False
    server.known_hosts.write_text(f"@cert-authority lb* {public(authority)}\n")
    assert ssh_goes_in(server) is we_go_in(server) is True


def test_no_certificate_is_asked_for_without_an_authority(certified: Certified, tmp_path: Path) -> None:
    server = certified("-h", "-n", "elsewhere")
    server.known_hosts.write_text(f"{server.known_as} {public(tmp_path / 'hostkey')}\n")
    assert ssh_goes_in(server) is we_go_in(server) is True


@pytest.mark.parametrize(
    ("setting", "trusted"),
    [("-ssh-ed25519", False), ("rsa-sha2-512", False), ("ssh-ed25519", True), ("-ecdsa*", True)],
)
def test_ca_signature_algorithms(certified: Certified, setting: str, trusted: bool) -> None:
    server = certified()
    configure(server, f"CASignatureAlgorithms {setting}")
    assert ssh_goes_in(server) is we_go_in(server) is trusted
