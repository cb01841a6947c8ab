"""Logging in with public keys: the agent's and those in files, as ssh(1) would, and saying what was tried."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from nginxws.errors import AuthenticationFailed, ConnectionFailed, NginxwsError
from nginxws.nodes.ssh.hostkeys import fingerprint
from nginxws.nodes.ssh.keys import KeyFile, order, read_key_file
from nginxws.nodes.ssh.settings import HostSettings

_AGENT_TIMEOUT = 60.0  # seconds; an agent may ask its user to confirm
_PASSPHRASE_TRIES = 3
Ask = Callable[[str], str | None]


def authenticate(transport: Any, hop: HostSettings, ask: Ask) -> None:
    """Log in on a connection whose host key has been verified. Raises AuthenticationFailed."""
    agent = _Agent(hop.agent)
    try:
        _Login(transport, hop, ask, agent).run()
    finally:
        agent.close()


class _Login:
    def __init__(self, transport: Any, hop: HostSettings, ask: Ask, agent: _Agent) -> None:
        self._transport = transport
        self._hop = hop
        self._ask = ask
        self._agent = agent
        self._tried: list[str] = []
        self._notes: list[str] = list(agent.notes)

    def run(self) -> None:
        for label, key in self._candidates():
            if self._offer(label, key):
                return
        if not self._offer("no key", None):
            raise self._refused()

    def _candidates(self) -> Iterator[tuple[str, Any]]:
        files = [file for path in self._hop.identity_files if (file := self._inspect(path))]
        blobs, rest = order(list(self._agent.keys), files, identities_only=self._hop.identities_only)
        for blob in blobs:
            key = self._agent.keys[blob]
            yield f"{key.get_name()} {fingerprint(blob)} (agent)", key
        for file in rest:
            key = self._load(file)
            if key is None:
                continue
            if key.public_blob is not None:
                yield f"{file.path} (certificate)", key
                key.public_blob = None
            yield str(file.path), key

    def _inspect(self, path: Path) -> KeyFile | None:
        file = read_key_file(path)
        if file is None:
            if self._hop.identities_given:
                self._notes.append(f"{path} doesn't exist")
            return None
        if file.problem:
            self._notes.append(f"{path} {file.problem}")
            return None
        return file

    def _load(self, file: KeyFile) -> Any:
        """The private key; None, with a note why, when it can't be had."""
        for attempt in range(_PASSPHRASE_TRIES if file.encrypted else 1):
            passphrase = None
            if file.encrypted:
                # Each try is a question of its own: the same question is asked only once.
                again = f"Wrong passphrase, try {attempt + 1} of {_PASSPHRASE_TRIES}. " if attempt else ""
                passphrase = self._ask(f"{again}Passphrase for {file.path}: ")
                if not passphrase:
                    why = (
                        "there is no terminal to ask on" if passphrase is None else "no passphrase was given"
                    )
                    self._notes.append(f"{file.path} is encrypted, and {why}")
                    return None
            try:
                return _load_private(file, passphrase, self._hop.certificate_files)
            except Exception as exc:  # paramiko, cryptography and bcrypt each have their own
                problem = str(exc) or type(exc).__name__
        what = "isn't opened by this passphrase" if file.encrypted else f"can't be used: {problem}"
        self._notes.append(f"{file.path} {what}")
        return None

    def _offer(self, label: str, key: Any) -> bool:
        """True when the server takes it; False when it wants another."""
        import paramiko

        # An agent may ask its user first; a server just answers.
        patience = self._hop.connect_timeout
        asks = label.endswith("(agent)")
        self._transport.auth_timeout = max(patience, _AGENT_TIMEOUT) if asks else patience
        try:
            if key is None:  # "none", RFC 4252 section 5.2: it also tells what the server would accept
                more = self._transport.auth_none(self._hop.user)
            else:
                more = self._transport.auth_publickey(self._hop.user, key)
        except paramiko.BadAuthenticationType as exc:
            if key is None:
                self._notes.append(f"the server accepts: {', '.join(exc.allowed_types)}")
                return False
            raise self._error(
                f"the server accepts no keys for {self._who}, only: {', '.join(exc.allowed_types)}",
                "allow PubkeyAuthentication on the server; passwords aren't used here",
            ) from exc
        except paramiko.AuthenticationException as exc:
            return self._rejected(label, exc)
        except Exception as exc:  # a hostile packet makes paramiko raise anything
            return self._rejected(label, exc)
        if more:
            raise self._error(
                f"{self._who} needs a second step to log in: {', '.join(more)}",
                "let this user in with a key alone (AuthenticationMethods on the server)",
            )
        return True

    def _rejected(self, label: str, exc: Exception) -> bool:
        if "timeout" in str(exc).lower():  # paramiko's word for no answer is that of a refusal
            raise ConnectionFailed(
                f"{self._hop.place} doesn't answer our login: no word for {self._transport.auth_timeout:g} s",
                node=self._hop.name,
                hint="is the network or the server stuck? (ConnectTimeout in ssh_config)",
            ) from exc
        if self._transport.is_active():
            if label != "no key":
                self._tried.append(label)
            return False
        self._tried.append(label)
        if len(self._tried) > 1:
            raise self._error(
                f"the server hung up after {len(self._tried)} keys (Too many authentication failures)",
                "name the right key: IdentityFile and IdentitiesOnly yes in ssh_config",
            ) from exc
        raise ConnectionFailed(
            f"{self._hop.place} hung up during authentication",
            node=self._hop.name,
            hint="look at the server's log (journalctl -u ssh, or /var/log/auth.log)",
        ) from exc

    @property
    def _who(self) -> str:
        return f"{self._hop.user}@{self._hop.place}"

    def _refused(self) -> NginxwsError:
        if not self._tried:
            hint = "load a key into the agent (ssh-add), or name one with IdentityFile in ssh_config"
            return self._error(f"there is no key to log in with as {self._who}", hint)
        return self._error(
            f"{self._who} accepts none of our keys: {', '.join(self._tried)}",
            f"is {self._hop.user!r} the right user (User in ssh_config), and is one of these keys in its "
            "authorized_keys there?",
        )

    def _error(self, message: str, hint: str) -> AuthenticationFailed:
        detail = "\n".join(self._notes) or None
        return AuthenticationFailed(message, node=self._hop.name, hint=hint, detail=detail)


def _load_private(file: KeyFile, passphrase: str | None, certificates: tuple[Path, ...]) -> Any:
    import paramiko

    kinds = {"ssh-ed25519": paramiko.Ed25519Key, "ssh-rsa": paramiko.RSAKey}
    kind = paramiko.ECDSAKey if file.key_type.startswith("ecdsa-") else kinds.get(file.key_type)
    if kind is not None:
        key = kind.from_private_key_file(str(file.path), passphrase)
    elif file.key_type:
        raise ValueError(f"keys of type {file.key_type} aren't supported in files; use an agent")
    else:
        key = paramiko.PKey.from_path(file.path, passphrase.encode() if passphrase else None)
    key.public_blob = None
    for certificate in (file.path.with_name(file.path.name + "-cert.pub"), *certificates):
        if _certifies(certificate, key):
            key.load_certificate(str(certificate))
            break
    return key


def _certifies(certificate: Path, key: Any) -> bool:
    """Whether the file holds a certificate of this very key, which is part of it (PROTOCOL.certkeys)."""
    found = read_key_file(certificate)
    if found is None or found.blob is None or "-cert-v01@" not in found.key_type:
        return False
    name: bytes = key.get_name().encode()
    public: bytes = key.asbytes()
    return found.key_type.startswith(key.get_name()) and public[4 + len(name) :] in found.blob


class _Agent:
    """Keys of an SSH agent by their blob; none when there is no agent."""

    def __init__(self, path: str | None) -> None:
        self.keys: dict[bytes, Any] = {}
        self.notes: list[str] = []
        self._agent: Any = None
        if path is None and os.name == "posix":
            return
        try:
            self._agent = _open_agent(path)
            if self._agent is not None:
                self.keys = {key.blob: key for key in self._agent.get_keys()}
        except Exception as exc:  # a dead agent must not stop a login by key file
            self.notes.append(f"the SSH agent {path} doesn't answer: {exc}")

    def close(self) -> None:
        if self._agent is not None:
            self._agent._close()  # paramiko has a public close() only on Agent, not on its base


def _open_agent(path: str | None) -> Any:
    import paramiko
    from paramiko.agent import AgentSSH

    if os.name != "posix" or path is None:
        return paramiko.Agent()  # Pageant, or OpenSSH's named pipe
    sock = socket.socket(getattr(socket, "AF_UNIX"), socket.SOCK_STREAM)  # noqa: B009 (not there on Windows)
    agent = AgentSSH()
    try:
        sock.settimeout(_AGENT_TIMEOUT)
        sock.connect(path)
        agent._connect(sock)  # the public class only knows SSH_AUTH_SOCK, not IdentityAgent
    except Exception:  # whatever it was, the caller says so; only the socket is ours
        sock.close()
        raise
    return agent
