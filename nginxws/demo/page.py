"""The chat's page: the files of one folder, read once, and the headers that fence them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from nginxws.errors import NginxwsError

#: The page as it comes with nginxws; a copy of this folder can be deployed.
FOLDER: Final = Path(__file__).with_name("app")
INDEX: Final = "index.html"
MAX_FILES: Final = 100
MAX_SIZE: Final = 1024 * 1024  # bytes, of one file

TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}

#: Scripts, styles and pictures of the own site only, and WebSockets (CSP level 3). Any address of
#: theirs: which one it is stands in the page, and ``'self'`` doesn't include ws: in every browser.
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self' ws: wss:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


@dataclass(frozen=True, slots=True)
class Document:
    """One file: its text and its media type."""

    text: str
    type: str


def load(folder: Path = FOLDER) -> Mapping[str, Document]:
    """The page's documents by their path in the address, ``/`` and ``/chat.js`` for example.

    Files of other types than ``TYPES`` aren't part of the page, nor are hidden files and
    links. What changes in the folder later changes nothing here.

    Raises:
        NginxwsError: there is no index.html, or a file can't be read as text.
    """
    documents = {path: _read(file) for path, file in _files(folder)}
    if f"/{INDEX}" not in documents:
        raise NginxwsError(
            f"there is no {INDEX}", file=str(folder), hint="name the folder that the page is in"
        )
    return {"/": documents[f"/{INDEX}"], **documents}


def _files(folder: Path) -> Iterator[tuple[str, Path]]:
    """Path in the address and file, of all that can be part of a page."""
    count = 0
    for file in sorted(folder.rglob("*")):
        relative = file.relative_to(folder)
        hidden = any(part.startswith(".") for part in relative.parts)
        if hidden or file.suffix not in TYPES or file.is_symlink() or not file.is_file():
            continue
        count += 1
        if count > MAX_FILES:
            raise NginxwsError(
                f"there are more than {MAX_FILES} files",
                file=str(folder),
                hint="name the folder that the page is in",
            )
        yield f"/{relative.as_posix()}", file


def _read(file: Path) -> Document:
    try:
        with file.open("rb") as opened:
            content = opened.read(MAX_SIZE + 1)
    except OSError as error:
        raise NginxwsError(
            f"can't read it: {error.strerror}", file=str(file), hint="check who may read it"
        ) from error
    if len(content) > MAX_SIZE:
        raise NginxwsError(
            f"it is larger than {MAX_SIZE} bytes", file=str(file), hint="a page of the chat is small"
        )
    try:
        return Document(content.decode(), TYPES[file.suffix])
    except UnicodeDecodeError as error:
        raise NginxwsError("it isn't UTF-8", file=str(file), hint="save it as UTF-8") from error
