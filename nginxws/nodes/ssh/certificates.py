"""Certificates of hosts: what one says, and whether an authority that we trust says it about our host.

Format: PROTOCOL.certkeys of OpenSSH. What must hold is what ssh(1) asks (sshkey_cert_check_host
in sshkey.c), but for one thing: a certificate that names no host is for no host here, not for any.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass

SUFFIX = "-cert-v01@openssh.com"
#: Signatures of authorities that count: CASignatureAlgorithms' default, ssh_config(5). Never SHA-1.
CA_ALGORITHMS = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_HOST = 2  # SSH_CERT_TYPE_HOST
_KEY_FIELDS = {"ssh-ed25519": 1, "ssh-rsa": 2}  # strings that make up the key; ecdsa: curve and point


@dataclass(frozen=True, slots=True)
class Certificate:
    """``after`` and ``before`` are seconds since 1970; ``signed`` is what ``signature`` is over."""

    kind: int
    key_id: str
    principals: tuple[str, ...]
    after: int
    before: int
    critical: bytes
    authority: bytes
    signed: bytes
    signature: bytes


def parse(blob: bytes) -> Certificate:
    """Read a certificate; ValueError when it is none, or damaged."""
    reader = _Reader(blob)
    name = reader.string().decode("ascii", "replace")
    if not name.endswith(SUFFIX):
        raise ValueError(f"{name!r} isn't a type of certificate")
    reader.string()  # nonce
    for _ in range(_KEY_FIELDS.get(name.removesuffix(SUFFIX), 2)):
        reader.string()
    reader.number(8)  # serial
    kind = reader.number(4)
    key_id = reader.string().decode("utf-8", "replace")
    principals = tuple(_Reader(reader.string()).strings())
    after, before = reader.number(8), reader.number(8)
    critical = reader.string()
    reader.string()  # extensions: none has a meaning for hosts
    reader.string()  # reserved
    authority = reader.string()
    signed = blob[: reader.at]
    signature = reader.string()
    if reader.at != len(blob):
        raise ValueError("something follows the signature")
    return Certificate(kind, key_id, principals, after, before, critical, authority, signed, signature)


def objection(certificate: Certificate, host: str, now: float, algorithms: Iterable[str]) -> str | None:
    """Why the certificate doesn't vouch for ``host`` at ``now``; None when it does.

    Whether its authority is trusted is the caller's question.
    """
    if certificate.kind != _HOST:
        return "is one of a user"
    if host not in (principal.lower() for principal in certificate.principals):
        return f"is for {', '.join(certificate.principals) or 'no host by name'}, not for {host}"
    if now < certificate.after:
        return "isn't valid yet (is this machine's clock right?)"
    if now >= certificate.before:
        return "has expired (is this machine's clock right?)"
    if certificate.critical:
        return "sets conditions that can't be checked here"
    if not _signed_by_its_authority(certificate, algorithms):
        return "has a bad signature, or one of a kind that doesn't count"
    return None


def _signed_by_its_authority(certificate: Certificate, algorithms: Iterable[str]) -> bool:
    from paramiko import Message, PKey

    try:
        algorithm = _Reader(certificate.signature).string().decode("ascii")
        if algorithm not in algorithms:
            return False
        kind = _Reader(certificate.authority).string().decode("ascii")
        key = PKey.from_type_string(kind, certificate.authority)
        return bool(key.verify_ssh_sig(certificate.signed, Message(certificate.signature)))
    except Exception:  # paramiko and cryptography each have their own for what makes no sense
        return False


class _Reader:
    """RFC 4251, section 5: strings and numbers, one after the other."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at = 0

    def _take(self, size: int) -> bytes:
        end = self.at + size
        if end > len(self._data):
            raise ValueError("cut short")
        taken, self.at = self._data[self.at : end], end
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self._take(size), "big")

    def string(self) -> bytes:
        (length,) = struct.unpack(">I", self._take(4))
        return self._take(length)

    def strings(self) -> Iterable[str]:
        while self.at < len(self._data):
            yield self.string().decode("utf-8", "replace")
