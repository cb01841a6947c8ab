"""The files of a configuration being rewritten, and the proof that only managed blocks change. Pure."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

from nginxws.config.blocks import BlockId
from nginxws.config.document import parse
from nginxws.config.proof import verify
from nginxws.config.splice import Splicer, apply_edits
from nginxws.config.tree import ConfigTree
from nginxws.errors import ConfigError, ParseError, SpliceError
from nginxws.plan import FilePlan
from nginxws.site import Home, Whereabouts
from nginxws.snapshot import Snapshot

_BUG = "nothing was changed; please report this as a bug"


class Rewriting:
    """All changes of one tree: a ``Splicer`` a file, by the name NGINX opens it with.

    Raises ConfigError when our markers don't pair up in one of them.
    """

    def __init__(self, tree: ConfigTree) -> None:
        self.splicers = {path: Splicer(file.document) for path, file in tree.files.items()}
        self._written: dict[str, list[tuple[BlockId, str]]] = {}
        self._whereabouts = Whereabouts()

    def note(self, splicer: Splicer, block_id: BlockId, body: str) -> None:
        """Remember what the file will have to hold."""
        self._written.setdefault(splicer.document.name, []).append((block_id, body))

    def files(self, now: Snapshot) -> Iterator[FilePlan]:
        """The files that change, each proved. Raises SpliceError, and ConfigError for one with two names."""
        reals = {posixpath.normpath(file.path): file.real for file in now.files}
        changed: dict[str, str] = {}
        for path, splicer in self.splicers.items():
            edits = splicer.edits()
            if not edits:
                continue
            real = reals[posixpath.normpath(path)]
            if real in changed:
                raise ConfigError(
                    f"it is the same file as {changed[real]}, and both would change",
                    file=path,
                    hint="include it under one name only",
                )
            changed[real] = path
            before = splicer.document
            data = apply_edits(before.data, edits)
            self._prove(splicer, data)
            yield FilePlan(path, real, before.data, data, edits)

    def where(self, home: Home) -> str:
        """``file:line`` of a block as it will be; ask after ``files``."""
        return self._whereabouts.where(home, self.splicers[home.document.name])

    def _prove(self, splicer: Splicer, data: bytes) -> None:
        """The bytes outside our blocks are as before; spliced twice is spliced once. Else SpliceError."""
        path = splicer.document.name
        try:
            after = parse(data, path)
        except ParseError as error:
            raise SpliceError(
                f"the change would break the file: {error.message}", file=path, line=error.line, hint=_BUG
            ) from error
        blocks = verify(splicer.document, after, taken=splicer.taken, known=splicer.blocks)
        found = self._whereabouts.changed(path, blocks)
        for block_id, body in self._written.get(path, ()):
            if not any(block.holds(body) for block in found.get(block_id, ())):
                raise SpliceError(f"the block {block_id} can't be found again", file=path, hint=_BUG)
