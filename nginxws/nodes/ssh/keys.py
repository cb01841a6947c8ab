"""Which keys there are to log in with, in the order OpenSSH would try them (ssh_config(5), IdentitiesOnly).

Reading what kind of key a file holds needs no cryptography: the public half of
an OpenSSH key file stands in the clear (PROTOCOL.key).
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_MAGIC = b"openssh-key-v1\0"
_BEGIN_OPENSSH = b"-----BEGIN OPENSSH PRIVATE KEY-----"
_END_OPENSSH = b"-----END OPENSSH PRIVATE KEY-----"


@dataclass(frozen=True, slots=True)
class KeyFile:
    """An identity file. ``blob`` is the public key if known; ``problem`` says why it can't be used."""

    path: Path
    private: bool
    encrypted: bool
    key_type: str
    blob: bytes | None
    problem: str | None = None


def read_key_file(path: Path) -> KeyFile | None:
    """What ``path`` holds: a private key, or a public one whose other half an agent has. None if no file."""
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return _public_only(path)
    except OSError as exc:
        return KeyFile(path, False, False, "", None, f"can't be read: {exc.strerror}")
    if b"PRIVATE KEY-----" not in data:
        key_type, blob = _public_line(data)
        return KeyFile(path, False, False, key_type, blob, None if blob else "isn't a key file")
    encrypted = b"Proc-Type: 4,ENCRYPTED" in data or b"-----BEGIN ENCRYPTED PRIVATE KEY-----" in data
    key_type, blob = "", None
    problem = _too_open(path)
    if _BEGIN_OPENSSH in data:
        try:
            encrypted, key_type, blob = _openssh_header(data)
        except (ValueError, struct.error, binascii.Error):
            problem = problem or "is a damaged OpenSSH key file"
    elif beside := _public_only(path):
        key_type, blob = beside.key_type, beside.blob
    return KeyFile(path, True, encrypted, key_type, blob, problem)


def order(
    agent: Sequence[bytes], files: Sequence[KeyFile], *, identities_only: bool
) -> tuple[list[bytes], list[KeyFile]]:
    """Agent keys (by blob) to try first, then the files whose keys the agent hasn't, encrypted ones last."""
    named = [file.blob for file in files if file.blob in agent]
    first = [blob for at, blob in enumerate(named) if blob is not None and blob not in named[:at]]
    others = [] if identities_only else [blob for blob in agent if blob not in first]
    rest = [file for file in files if file.private and file.blob not in first]
    return first + others, sorted(rest, key=lambda file: file.encrypted)


def _public_only(path: Path) -> KeyFile | None:
    with contextlib.suppress(OSError):
        key_type, blob = _public_line(path.with_name(path.name + ".pub").read_bytes())
        if blob:
            return KeyFile(path, False, False, key_type, blob)
    return None


def _public_line(data: bytes) -> tuple[str, bytes | None]:
    fields = data.split(None, 2)
    with contextlib.suppress(binascii.Error, UnicodeDecodeError):
        if len(fields) >= 2 and fields[1].startswith(b"AAAA"):
            return fields[0].decode(), base64.b64decode(fields[1], validate=True)
    return "", None


def _openssh_header(data: bytes) -> tuple[bool, str, bytes]:
    body = data.partition(_BEGIN_OPENSSH)[2].partition(_END_OPENSSH)[0]
    raw = base64.b64decode(b"".join(body.split()), validate=True)
    if not raw.startswith(_MAGIC):
        raise ValueError("no magic")
    cipher, rest = _string(raw[len(_MAGIC) :])
    _, rest = _string(rest)  # key derivation function
    _, rest = _string(rest)  # its options
    blob, _ = _string(rest[4:])
    key_type, _ = _string(blob)
    return cipher != b"none", key_type.decode("ascii"), blob


def _string(data: bytes) -> tuple[bytes, bytes]:
    """RFC 4251, section 5: length and bytes."""
    (length,) = struct.unpack_from(">I", data)
    if len(data) < 4 + length:
        raise ValueError("cut short")
    return data[4 : 4 + length], data[4 + length :]


def _too_open(path: Path) -> str | None:
    """As ssh(1), which doesn't use a key that others could have read (authfile.c, sshkey_perm_ok)."""
    if not hasattr(os, "getuid"):
        return None
    status = path.stat()
    if status.st_uid == os.getuid() and status.st_mode & 0o077:
        return f"is open to others (mode {status.st_mode & 0o777:04o}); run: chmod 600 {path}"
    return None
