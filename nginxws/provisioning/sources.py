"""An application's source on this machine: a folder or an archive, as entries to deploy."""

from __future__ import annotations

import fnmatch
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from nginxws.environment.archive import Entry, checked, entries_of
from nginxws.environment.unpacking import MAX_BYTES, refuse_too_much
from nginxws.errors import NginxwsError

#: What version control, desktops and editors leave in a folder: none of it is the application.
LEFT_OUT = (".git", ".hg", ".svn", ".DS_Store", "*~", ".*.sw[a-p]", ".#*", "#*#")


def read(path: Path, shown: str) -> tuple[Entry, ...]:
    """What is to be deployed; ``shown`` is what the manifest calls it.

    Raises NginxwsError for what isn't there or can't be read, for devices, sockets and pipes, and for all
    that `entries_of` and `checked` refuse.
    """
    try:
        if path.is_dir():
            return checked(_walked(path, shown), shown)
        return entries_of(_archive(path, shown), shown)
    except OSError as error:
        raise NginxwsError(
            f"cannot read it: {error.strerror}",
            file=shown if error.filename in (None, str(path)) else str(error.filename),
            hint="`source` names a folder or an archive, relative to the manifest",
        ) from error


def _archive(path: Path, shown: str) -> bytes:
    with path.open("rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise NginxwsError("is no file", file=shown, hint="`source` names a folder or an archive")
        data = stream.read(MAX_BYTES + 1)
    refuse_too_much(len(data), 1, shown)
    return data


def _walked(top: Path, shown: str) -> Iterator[Entry]:
    """Everything below a folder; folders end with a slash."""
    size = count = 0
    waiting = [top]
    while waiting:
        folder = waiting.pop()
        for item in sorted(os.scandir(folder), key=lambda one: one.name):
            if any(fnmatch.fnmatchcase(item.name, pattern) for pattern in LEFT_OUT):
                continue
            entry = _entry(item, Path(item.path).relative_to(top).as_posix(), shown)
            if entry.is_folder:
                waiting.append(Path(item.path))
            count, size = count + 1, size + len(entry.data)
            refuse_too_much(size, count, shown)
            yield entry


def _entry(item: os.DirEntry[str], path: str, shown: str) -> Entry:
    if not path.isprintable():  # half a surrogate pair stands for bytes that aren't UTF-8
        raise NginxwsError(f"{path!r} can't be a name there", file=shown, hint="rename it, in plain UTF-8")
    if item.is_symlink():
        return Entry(path, 0o777, link=Path(item.path).readlink().as_posix())
    mode = item.stat(follow_symlinks=False).st_mode
    if stat.S_ISDIR(mode):
        return Entry(f"{path}/", stat.S_IMODE(mode))
    if not stat.S_ISREG(mode):
        raise NginxwsError(
            f"{path!r} is neither a file, a folder nor a link", file=shown, hint="take it out of the folder"
        )
    with Path(item.path).open("rb") as stream:
        return Entry(path, stat.S_IMODE(mode), stream.read(MAX_BYTES + 1))
