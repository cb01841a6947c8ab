"""Configuration files on this machine, for ``--file``: a snapshot of them, and lossless writing.

No node and no NGINX are involved; includes are followed where the files are here.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from nginxws.config.tree import load
from nginxws.errors import NodeError, RestoreFailed, StaleError
from nginxws.plan import FilePlan
from nginxws.snapshot import FileState, NginxInfo, Snapshot


class DiskReader:
    """Files of this machine as ``config.tree`` wants to read them."""

    def read(self, path: str) -> bytes | None:
        """The bytes of a regular file, None when there is none that can be read."""
        return _bytes(path) if os.path.isfile(path) else None  # noqa: PTH113 (Path.is_file raises EACCES)

    def glob(self, pattern: str) -> list[str]:
        """As glob(3): a leading dot is matched by a dot only, names in byte order."""
        import glob

        return sorted(glob.glob(pattern), key=os.fsencode)  # noqa: PTH207 (Path.glob matches leading dots)

    def cost(self, pattern: str) -> int:
        """One: the system's own glob does the work."""
        return 1


def snapshot(path: str) -> Snapshot:
    """The file and whatever it includes here, as a snapshot of a node called after the file."""
    main = str(Path(path).absolute())
    tree = load(main, DiskReader())
    states = tuple(
        FileState(name, str(Path(name).resolve()), file.document.data) for name, file in tree.files.items()
    )
    return Snapshot(path, NginxInfo(conf=main, main=main), states)


def write(files: Sequence[FilePlan]) -> None:
    """Put the planned bytes in place of the old, each file at once and with its mode.

    All or nothing: when one can't be written, those before it get their old bytes back. Raises
    StaleError when a file changed since it was read, NodeError when one can't be written.
    """
    for file in files:
        if _bytes(file.real) != file.before:
            raise StaleError("the file changed while the plan was made", file=file.path, hint="run it again")
    for number, file in enumerate(files):
        try:
            replace(Path(file.real), file.after)
        except OSError as error:
            _put_back(files[:number])
            raise NodeError(
                f"cannot write it: {error.strerror}",
                file=file.path,
                hint="nothing was changed; may you write to this folder, and is there space on the disk?",
            ) from error
        except BaseException:  # Ctrl-C between two files
            _put_back(files[: number + 1])
            raise


def _put_back(files: Sequence[FilePlan]) -> None:
    """The old bytes back into each file that has the new ones."""
    lost = []
    for file in files:
        try:
            if _bytes(file.real) == file.after:
                replace(Path(file.real), file.before)
        except OSError:
            lost.append(file.path)
    if lost:
        raise RestoreFailed(
            f"a file could not be written, and these could not be put back: {', '.join(lost)}",
            hint="they hold the new text; the command's diff (--dry-run) says what it is",
        )


def _bytes(path: str) -> bytes | None:
    try:
        return Path(path).read_bytes()
    except OSError:
        return None


def check_replaceable(target: Path) -> None:
    """Try out whether `replace` could write beside a file, and leave nothing behind. Raises OSError."""
    handle, name = tempfile.mkstemp(prefix=".nginxws-", dir=target.parent)
    os.close(handle)
    Path(name).unlink()


def replace(target: Path, data: bytes) -> None:
    """Put ``data`` in place of a file at once, with its mode and owner; a file that is new gets 0644.

    Raises OSError, and leaves nothing behind.
    """
    handle, name = tempfile.mkstemp(prefix=".nginxws-", dir=target.parent)
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        mode = 0o644
        with contextlib.suppress(FileNotFoundError):
            old = target.stat()
            mode = old.st_mode & 0o7777
            with contextlib.suppress(OSError, AttributeError):  # not ours to give away, or not POSIX
                os.chown(temporary, old.st_uid, old.st_gid)
        temporary.chmod(mode)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
