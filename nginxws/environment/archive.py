"""Archives of an application: read with suspicion, packed the same way every time. Pure.

What an archive's top holds is what a release's folder will hold: a single folder at the top stays one.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from nginxws.environment.unpacking import Member, members, refuse_too_much
from nginxws.errors import NginxwsError
from nginxws.validate import shown

#: Links that a path may lead through; Linux's own limit (path_resolution(7)).
_MAX_LINKS = 40
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Entry:
    """One file, folder or link of an application's source.

    ``path`` is relative, parts joined by ``/``; a folder's ends with ``/`` (only empty folders need an
    entry). ``mode`` holds the permission bits, of which only the owner's x counts. ``link`` is where a
    symbolic link points to, else None.
    """

    path: str
    mode: int
    data: bytes = field(default=b"", repr=False)
    link: str | None = None

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder."""
        return self.path.endswith("/")


def entries_of(archive: bytes, name: str) -> tuple[Entry, ...]:
    """What an archive holds (tar, tar.gz, tar.bz2, tar.xz, zip), by path; ``name`` is the file's.

    Raises NginxwsError for what `unpacking.members` and `checked` refuse.
    """
    found: dict[str, Entry] = {}
    entries = []
    for member in members(archive, name):
        entry = _entry(member, found, name)
        # As tar does it: a hard link is one of what stands before it.
        found[_plain(entry.path, name)] = entry
        entries.append(entry)
    return checked(entries, name)


def _entry(member: Member, before: Mapping[str, Entry], name: str) -> Entry:
    if member.same_as is None:
        return Entry(member.path, member.mode & 0o777, member.data, member.link)
    first = before.get(_plain(member.same_as, name))
    if first is None or first.is_folder:
        raise _refused(member.path, "is a hard link to a file that isn't there before it", name)
    return replace(first, path=member.path)


def checked(entries: Iterable[Entry], name: str) -> tuple[Entry, ...]:
    """The entries by path, each once, if a folder can hold them and nothing leads out of it.

    ``name`` is what errors call the source. Raises NginxwsError for absolute names, ``..``, control
    characters, one path twice, what stands below a file or a link, links that lead out or in a circle, no
    files at all, and more than the limits of `unpacking`.
    """
    found: dict[str, Entry] = {}
    size = 0
    for entry in entries:
        path = _plain(entry.path, name)
        if not path and entry.is_folder:
            continue  # the top itself
        if entry.is_folder and (entry.data or entry.link is not None):
            raise _refused(path, "is called like a folder, and isn't one", name)
        before = found.get(path)
        if before is not None and not (before.is_folder and entry.is_folder):
            raise _refused(path, "is there twice", name)
        size += len(entry.data)
        found[path] = replace(entry, path=f"{path}/" if entry.is_folder else path)
        refuse_too_much(size, len(found), name)
    if all(entry.is_folder for entry in found.values()):
        raise NginxwsError("holds no files", file=name, hint="name the folder or archive of the application")
    _refuse_astray(found, name)
    return tuple(found[path] for path in sorted(found, key=_raw))


def _plain(path: str, name: str) -> str:
    """A path without ``.`` and double slashes; empty for the top."""
    parts = path.split("/")
    if path.startswith("/") or ".." in parts or _CONTROL.search(path):
        raise _refused(path, "is absolute, has .. in it, or a control character", name)
    plain = "/".join(part for part in parts if part not in ("", "."))
    if not plain and not path.endswith("/"):
        raise _refused(path, "isn't the name of a file", name)
    return plain


def _refuse_astray(found: Mapping[str, Entry], name: str) -> None:
    links = {path: entry.link for path, entry in found.items() if entry.link is not None}
    for path in found:
        above = posixpath.dirname(path)
        while above:
            if above in found and not found[above].is_folder:
                raise _refused(path, f"stands below {shown(above)}, which isn't a folder", name)
            above = posixpath.dirname(above)
    for path, link in links.items():
        if not link or link.startswith("/") or _CONTROL.search(link) or _leads_out(path, links):
            raise _refused(path, f"is a link to {shown(link)}, out of the application or in a circle", name)


def _leads_out(path: str, links: Mapping[str, str]) -> bool:
    """Whether the link at ``path`` leads out, or in a circle: followed as the kernel does, link by link.

    ``..`` is taken where one stands after all links before it; the text alone may look as if it stayed.
    """
    at = path.split("/")[:-1]
    todo = links[path].split("/")[::-1]
    followed = 0
    while todo:
        part = todo.pop()
        if part == ".." and not at:
            return True
        if part == "..":
            at.pop()
        elif part not in ("", "."):
            link = links.get("/".join([*at, part]))
            followed += link is not None
            if followed > _MAX_LINKS or (link or "").startswith("/"):
                return True
            at += [part] if link is None else []
            todo += [] if link is None else link.split("/")[::-1]
    return False


def _refused(path: str, what: str, name: str) -> NginxwsError:
    return NginxwsError(f"{shown(path)} {what}", file=name, hint="nothing was unpacked; pack it without that")


def pack(entries: Iterable[Entry]) -> bytes:
    """A plain tar archive of the entries: the same bytes for the same entries, in whatever order.

    Sorted, without times and owners, modes 644 and 755, and with every folder. Names are in the ustar header
    as far as they fit, else in GNU's own way: busybox's tar ignores pax headers.
    """
    given = {entry.path: entry for entry in entries}
    found = {path: Entry(path, 0o755) for path in _folders(given)} | given
    parts = [part for path in sorted(found, key=_raw) for part in _record(found[path])]
    return b"".join([*parts, bytes(2 * tarfile.BLOCKSIZE)])


def _folders(paths: Iterable[str]) -> Iterator[str]:
    for path in paths:
        above = posixpath.dirname(path.rstrip("/"))
        while above:
            yield f"{above}/"
            above = posixpath.dirname(above)


def _record(entry: Entry) -> Iterator[bytes]:
    info = tarfile.TarInfo(entry.path)
    info.mode = 0o755 if entry.is_folder or entry.mode & 0o100 else 0o644
    if entry.is_folder:
        info.type = tarfile.DIRTYPE
    elif entry.link is not None:
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.link, 0o777
    else:
        info.size = len(entry.data)
    try:
        yield info.tobuf(tarfile.USTAR_FORMAT, "utf-8", "surrogateescape")
    except ValueError:  # too long a name
        yield info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")
    yield entry.data
    yield bytes(-len(entry.data) % tarfile.BLOCKSIZE)


def _raw(path: str) -> bytes:
    return path.encode("utf-8", "surrogateescape")


def digest(packed: bytes) -> str:
    """The SHA-256 of a packed archive, in hexadecimal digits."""
    return hashlib.sha256(packed).hexdigest()
