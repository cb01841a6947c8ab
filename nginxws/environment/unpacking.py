"""What tar and zip archives hold, as they say it: read within limits, not judged yet. Pure."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import IO, cast

from nginxws.errors import NginxwsError
from nginxws.printable import one_line
from nginxws.validate import shown

#: Bytes of an application's files, unpacked, and of the archive that is made of them for the node.
MAX_BYTES = 256 * 1024 * 1024
#: Files, folders and links of an application.
MAX_ENTRIES = 100_000

#: What the standard library raises at malformed archives.
_MALFORMED = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    ValueError,
    OverflowError,
    IndexError,
    NotImplementedError,
)
#: How compressed data begins, and what reads it.
_COMPRESSED: tuple[tuple[bytes, Callable[[IO[bytes]], IO[bytes]]], ...] = (
    (b"\x1f\x8b", cast("Callable[[IO[bytes]], IO[bytes]]", gzip.open)),
    (b"BZh", cast("Callable[[IO[bytes]], IO[bytes]]", bz2.open)),
    (b"\xfd7zXZ\0", cast("Callable[[IO[bytes]], IO[bytes]]", lzma.open)),
)
_BLOCK = 512  # of tar
_MADE_BY_UNIX = 3  # in a zip's entry: its attributes hold a mode (APPNOTE.TXT 4.4.2)
_ENCRYPTED = 0x1  # APPNOTE.TXT 4.4.4


@dataclass(frozen=True, slots=True)
class Member:
    """One thing in an archive; a folder's path ends with ``/``.

    ``link`` is where a symbolic link points to, ``same_as`` the path of the file that a hard link is.
    """

    path: str
    mode: int
    data: bytes = field(default=b"", repr=False)
    link: str | None = None
    same_as: str | None = None


def members(archive: bytes, name: str) -> Iterator[Member]:
    """What stands in a tar (plain, or compressed by gzip, bzip2 or xz) or zip archive, in its order.

    Raises NginxwsError for what isn't one, is damaged or encrypted, holds devices, or more than the limits.
    """
    try:
        if archive.startswith((b"PK\x03\x04", b"PK\x05\x06")):
            yield from _of_zip(archive, name)
        else:
            yield from _of_tar(_inflated(archive, name), name)
    except _MALFORMED as error:
        raise NginxwsError(
            f"isn't a sound archive: {one_line(str(error))}",
            file=name,
            hint="pack it again, as .tar, .tar.gz, .tar.bz2, .tar.xz or .zip",
        ) from error


def refuse_too_much(size: int, entries: int, name: str) -> None:
    """Raise NginxwsError when an application has more bytes or entries than the limits."""
    if size > MAX_BYTES or entries > MAX_ENTRIES:
        raise NginxwsError(
            f"holds more than {MAX_BYTES >> 20} MiB, or more than {MAX_ENTRIES} files",
            file=name,
            hint="leave out what the application doesn't need to run",
        )


def _inflated(archive: bytes, name: str) -> bytes:
    """A tar's own bytes; no more of them than the limit are ever made."""
    for magic, opened in _COMPRESSED:
        if archive.startswith(magic):
            with opened(io.BytesIO(archive)) as stream:
                archive = stream.read(MAX_BYTES + 1)
            break
    refuse_too_much(len(archive), 0, name)
    return archive


def _of_tar(data: bytes, name: str) -> Iterator[Member]:
    size = 0
    # Not the locale's encoding: names are bytes, and stay the same ones.
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:", encoding="utf-8", errors="surrogateescape") as tar:
        for number, info in enumerate(tar):
            size += info.size
            refuse_too_much(size, number + 1, name)  # a sparse file is larger than its archive
            yield _tar_member(tar, info, name)
        # tarfile takes a header that makes no sense for the end.
        if data[tar.offset : tar.offset + _BLOCK] != bytes(_BLOCK):
            raise tarfile.ReadError("cut off, or damaged in the middle")


def _tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo, name: str) -> Member:
    if info.isdir():
        return Member(f"{info.name}/", info.mode)
    if info.issym():
        return Member(info.name, info.mode, link=info.linkname)
    if info.islnk():
        return Member(info.name, info.mode, same_as=info.linkname)
    if not info.isreg():
        raise _special(info.name, name)
    stream = tar.extractfile(info)
    assert stream is not None, "a regular file has content"
    return Member(info.name, info.mode, stream.read())


def _of_zip(archive: bytes, name: str) -> Iterator[Member]:
    with zipfile.ZipFile(io.BytesIO(archive)) as packed:
        infos = packed.infolist()
        refuse_too_much(sum(info.file_size for info in infos), len(infos), name)
        for info in infos:
            yield _zip_member(packed, info, name)


def _zip_member(packed: zipfile.ZipFile, info: zipfile.ZipInfo, name: str) -> Member:
    if info.flag_bits & _ENCRYPTED:
        raise zipfile.BadZipFile("it is encrypted")
    if "\\" in info.filename:
        raise zipfile.BadZipFile("it has \\ in its names, where zip wants /")
    mode = info.external_attr >> 16 if info.create_system == _MADE_BY_UNIX else 0
    kind = stat.S_IFMT(mode)
    if info.is_dir():
        return Member(info.filename, mode)
    if kind not in (0, stat.S_IFREG, stat.S_IFLNK):
        raise _special(info.filename, name)
    data = packed.read(info)
    if kind == stat.S_IFLNK:
        return Member(info.filename, mode, link=data.decode("utf-8", "surrogateescape"))
    return Member(info.filename, mode, data)


def _special(path: str, name: str) -> NginxwsError:
    return NginxwsError(
        f"{shown(path)} is neither a file nor a folder nor a link",
        file=name,
        hint="leave devices, pipes and sockets out",
    )
