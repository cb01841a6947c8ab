"""Where a configuration's bytes come from: anything that reads by path and finds by pattern."""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Protocol

from nginxws.config.globbing import glob_regex
from nginxws.config.octets import to_bytes


class Reader(Protocol):
    """Where the tree gets its bytes from; paths are those nginx would open."""

    def read(self, path: str) -> bytes | None:
        """The file's bytes, or None when there is no such (readable, plain) file."""

    def glob(self, pattern: str) -> list[str]:
        """The paths that glob(3) finds, sorted bytewise; none is fine."""

    def cost(self, pattern: str) -> int:
        """How many paths ``glob`` holds against a pattern."""


class MappingReader:
    """A Reader over a mapping of paths to bytes, with glob(3)'s rules for patterns."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._paths = {posixpath.normpath(path): path for path in files}
        self._folders: defaultdict[str, list[str]] = defaultdict(list)
        for plain in self._paths:
            self._folders[posixpath.dirname(plain)].append(plain)

    def read(self, path: str) -> bytes | None:
        data = self._files.get(path)
        if data is None and (known := self._paths.get(posixpath.normpath(path))) is not None:
            data = self._files[known]
        return data

    def glob(self, pattern: str) -> list[str]:
        regex = glob_regex(posixpath.normpath(pattern))
        found = [self._paths[plain] for plain in self._candidates(pattern) if regex.fullmatch(plain)]
        return sorted(found, key=to_bytes)

    def cost(self, pattern: str) -> int:
        return len(self._candidates(pattern))

    def _candidates(self, pattern: str) -> Collection[str]:
        """Only the files of its folder, where the folder itself is no pattern."""
        folder = posixpath.dirname(posixpath.normpath(pattern))
        if any(character in folder for character in "*?[\\"):
            return self._paths
        return self._folders.get(folder, ())


class RecordingReader(MappingReader):
    """A MappingReader that remembers which paths and patterns it was asked for."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        super().__init__(files)
        self.wanted: set[str] = set()

    def read(self, path: str) -> bytes | None:
        self.wanted.add(path)
        return super().read(path)

    def glob(self, pattern: str) -> list[str]:
        self.wanted.add(pattern)
        return super().glob(pattern)
