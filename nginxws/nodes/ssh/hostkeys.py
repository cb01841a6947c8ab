"""known_hosts: is the key that a server shows the key of the host we asked for?

Format: sshd(8), SSH_KNOWN_HOSTS FILE FORMAT. Pure but for reading and appending
files; keys are compared as blobs, so no cryptography is needed here.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha1, sha256
from pathlib import Path

from nginxws.errors import ConfigError, HostKeyError
from nginxws.nodes.ssh.certificates import SUFFIX, objection, parse
from nginxws.nodes.ssh.config import matches
from nginxws.nodes.ssh.settings import HostSettings, Trust

_RSA = ("rsa-sha2-512", "rsa-sha2-256")  # RFC 8332: signature algorithms of one key type, ssh-rsa
_OUT_OF_BAND = (
    "compare the fingerprint with what the host itself says (on its console: "
    "ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub)"
)


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line of a known_hosts file that speaks of our host."""

    marker: str  # '', '@revoked' or '@cert-authority'
    key_type: str
    blob: bytes
    file: Path
    line: int


def fingerprint(blob: bytes) -> str:
    """As ``ssh-keygen -l`` writes it: ``SHA256:`` and base64 without padding."""
    return "SHA256:" + base64.b64encode(sha256(blob).digest()).decode().rstrip("=")


class KnownHosts:
    """What the known_hosts files say about one host."""

    def __init__(self, settings: HostSettings) -> None:
        """Read the files; one that isn't there says nothing, one that can't be read is a ConfigError."""
        self._settings = settings
        files = (*settings.known_hosts, *settings.global_known_hosts)
        lines = self._lines = [line for file in files for line in _lines(file)]
        self._keys = [known for names, known in lines if _names_match(names, settings.known_as)]
        # ssh(1) falls back from [host]:port to host, and then only accepts, never complains.
        plain = settings.host.lower() if settings.known_as.startswith("[") else None
        self._fallback = [known for names, known in lines if plain and _names_match(names, plain)]
        self._authorities = [k for k in self._keys + self._fallback if k.marker == "@cert-authority"]
        self._revoked = _revoked_blobs(settings.revoked_keys)

    def preferred(self, available: Sequence[str]) -> list[str]:
        """``available`` host key algorithms, those of keys we know first.

        As OpenSSH does (order_hostkeyalgs): a host known by one of its keys must
        not look changed because it has others. Where an authority may vouch for the
        host, its certificates come before all; elsewhere none is asked for.
        """
        keys = self._trusted(self._keys) or self._trusted(self._fallback)
        known = {algorithm for key in keys for algorithm in _algorithms(key.key_type)}
        if self._authorities:
            available = [*(name + SUFFIX for name in available), *available]
        wanted = [name for name in self._settings.host_key_algorithms if name in available] or list(available)
        return sorted(wanted, key=lambda name: not name.endswith(SUFFIX) and name not in known)

    def check(
        self, key_type: str, blob: bytes, *, certificate: bytes | None = None, address: str | None = None
    ) -> None:
        """Return when the key is the host's; raise HostKeyError when it isn't, or isn't known.

        ``certificate`` is what the host showed around the key, ``address`` where it
        was reached. With `Trust.ACCEPT_NEW` an unknown host's key is written down.
        """
        self._check_revoked(key_type, blob)
        problem = self._uncertified(certificate)
        if problem is None:
            return
        self._check_address(blob, address)
        known = self._trusted(self._keys)
        if any(key.blob == blob for key in known):
            return
        if known:
            raise self._changed(key_type, blob, known)
        if any(key.blob == blob for key in self._trusted(self._fallback)):
            return
        self._unknown(key_type, blob, problem)

    def _check_revoked(self, key_type: str, blob: bytes, what: str = "host key") -> None:
        named = self._keys + self._fallback
        revoked = [key for key in named if key.marker == "@revoked" and key.blob == blob]
        if revoked or blob in self._revoked:
            raise self._error(
                f"{what} {fingerprint(blob)} ({key_type}) of {self._settings.place} is revoked",
                at=revoked[0] if revoked else None,
                hint="do not connect; ask who runs this host for its new key",
            )

    def _uncertified(self, blob: bytes | None) -> str | None:
        """Why no authority vouches for the host; None when one does. A plain key may still do."""
        if blob is None or not self._authorities:
            return "it shows no certificate"
        try:
            certificate = parse(blob)
        except ValueError as exc:
            return f"its certificate is damaged: {exc}"
        self._check_revoked("certificate authority", certificate.authority, "the key")
        if all(key.blob != certificate.authority for key in self._authorities):
            return f"its certificate is by another authority, {fingerprint(certificate.authority)}"
        settings = self._settings
        own = settings.known_as in (settings.host.lower(), f"[{settings.host.lower()}]:{settings.port}")
        name = settings.host.lower() if own else settings.known_as  # HostKeyAlias
        found = objection(certificate, name, time.time(), settings.ca_algorithms)
        return f"its certificate {found}" if found else None

    def _check_address(self, blob: bytes, address: str | None) -> None:
        """CheckHostIP: an address that is known by other keys only is as bad as a name that is."""
        settings = self._settings
        if not settings.check_address or address is None:
            return
        name = address if settings.port == 22 else f"[{address}]:{settings.port}"
        known = self._trusted(key for names, key in self._lines if _names_match(names, name))
        if known and all(key.blob != blob for key in known):
            raise self._error(
                f"host key of {settings.place} isn't the one known for its address {name}: it offers "
                f"{fingerprint(blob)}",
                at=known[0],
                hint=f"somebody may be in between, or the address belonged to another host. {_OUT_OF_BAND}; "
                f"if it is right, remove the old key with ssh-keygen -R '{name}' -f {known[0].file}",
            )

    def _trusted(self, keys: Iterable[KnownKey]) -> list[KnownKey]:
        return [key for key in keys if not key.marker]

    def _changed(self, key_type: str, blob: bytes, known: list[KnownKey]) -> HostKeyError:
        same_type = [key for key in known if key.key_type == key_type]
        key = (same_type or known)[0]
        what = "has changed" if same_type else f"is of another kind ({key_type}) than the one known"
        return self._error(
            f"host key of {self._settings.place} {what}: it offers {fingerprint(blob)}, "
            f"known is {fingerprint(key.blob)} ({key.key_type})",
            at=key,
            hint=f"somebody may be in between. {_OUT_OF_BAND}; if it is right, remove the old key with "
            f"ssh-keygen -R '{self._settings.known_as}' -f {key.file} and connect once with ssh",
        )

    def _unknown(self, key_type: str, blob: bytes, problem: str) -> None:
        settings = self._settings
        if self._authorities:  # never taken unseen: somebody has said how this host is to be recognised
            raise self._error(
                f"{settings.place} is known by a certificate authority, and {problem}; "
                f"it offers {fingerprint(blob)} ({key_type})",
                at=self._authorities[0],
                hint=f"have the authority sign this host's key anew (ssh-keygen -s CA -h -n NAME), or "
                f"{_OUT_OF_BAND}, and add the plain key with ssh-keyscan to known_hosts",
            )
        if settings.trust is Trust.ACCEPT_NEW and settings.known_hosts:
            name = _hashed(settings.known_as) if settings.hash_known_hosts else settings.known_as
            _append(settings.known_hosts[0], name, key_type, blob)
            return
        where = f" >> {settings.known_hosts[0]}" if settings.known_hosts else ""
        port = f"-p {settings.port} " if settings.port != 22 else ""
        raise self._error(
            f"host key of {settings.place} isn't known: it offers {fingerprint(blob)} ({key_type})",
            hint=f"{_OUT_OF_BAND}, then run: ssh-keyscan {port}{settings.host}{where} "
            "(or take it unseen with --accept-new-host-keys)",
        )

    def _error(self, message: str, *, hint: str, at: KnownKey | None = None) -> HostKeyError:
        return HostKeyError(
            message,
            node=self._settings.name,
            file=str(at.file) if at else None,
            line=at.line if at else None,
            hint=hint,
        )


def _algorithms(key_type: str) -> tuple[str, ...]:
    return _RSA if key_type == "ssh-rsa" else (key_type,)


def _lines(file: Path) -> list[tuple[str, KnownKey]]:
    """Every usable line: its host field and key. As ssh(1), lines that make no sense are passed over."""
    try:
        text = file.read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return []
    except OSError as exc:
        hint = "make it readable, or name another UserKnownHostsFile"
        raise ConfigError(f"can't read it: {exc.strerror}", file=str(file), hint=hint) from exc
    entries = []
    for number, line in enumerate(text.split("\n"), 1):
        fields = line.split()
        marker = fields.pop(0) if fields and fields[0].startswith("@") else ""
        if len(fields) < 3 or fields[0].startswith("#"):
            continue
        with contextlib.suppress(binascii.Error, ValueError):
            blob = base64.b64decode(fields[2], validate=True)
            entries.append((fields[0], KnownKey(marker, fields[1], blob, file, number)))
    return entries


def _hashed(host: str) -> str:
    """HashKnownHosts: the name, readable only for who knows it (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT)."""
    salt = os.urandom(20)  # as long as the digest
    digest = hmac.digest(salt, host.encode(), sha1)
    return f"|1|{base64.b64encode(salt).decode()}|{base64.b64encode(digest).decode()}"


def _names_match(names: str, host: str) -> bool:
    if not names.startswith("|"):
        return matches([name.lower() for name in names.split(",")], host)
    try:
        _, version, salt, wanted = names.split("|")
        digest = hmac.digest(base64.b64decode(salt), host.encode(), sha1)
        return version == "1" and hmac.compare_digest(digest, base64.b64decode(wanted))
    except (ValueError, binascii.Error):
        return False


def _revoked_blobs(file: Path | None) -> frozenset[bytes]:
    """RevokedHostKeys (ssh_config(5)): public keys, one a line. Unreadable or binary means: trust nobody."""
    if file is None:
        return frozenset()
    hint = "RevokedHostKeys must name a readable text file of public keys"
    try:
        data = file.read_bytes()
    except OSError as exc:
        raise ConfigError(f"can't read it: {exc.strerror}", file=str(file), hint=hint) from exc
    if data.startswith(b"SSHKRL"):
        raise ConfigError("a binary key revocation list can't be read here", file=str(file), hint=hint)
    blobs = set()
    for line in data.splitlines():
        for word in line.split():
            if word.startswith(b"AAAA"):
                with contextlib.suppress(binascii.Error):
                    blobs.add(base64.b64decode(word, validate=True))
    return frozenset(blobs)


def _append(file: Path, host: str, key_type: str, blob: bytes) -> None:
    """Write the key down, in a file only we can read if there was none."""
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0), 0o600)
        with os.fdopen(handle, "r+b") as stream:
            data = stream.read()
            line = f"{host} {key_type} {base64.b64encode(blob).decode()}\n".encode()
            stream.write(line if not data or data.endswith(b"\n") else b"\n" + line)
    except OSError as exc:
        raise ConfigError(
            f"can't write the new host key down: {exc.strerror}",
            file=str(file),
            hint="make it writable, or name another UserKnownHostsFile",
        ) from exc
