"""The files that NGINX's configuration is made of, as `include` joins them.

Reading is injected (``Reader``), so the same code walks a node's snapshot, files here, and a test's dict.
Source of the rules: nginx's ngx_conf_include and ngx_open_glob (core/ngx_conf_file.c).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from nginxws.config.document import Directive, Document, parse
from nginxws.config.globbing import glob_regex
from nginxws.config.servers import ServerBlock, read_server
from nginxws.errors import ConfigError, ParseError

MAX_INCLUDE_DEPTH = 100
"""Files inside files beyond this are reported as a problem: nginx would run out of file descriptors."""

_MAIN_ONLY = frozenset({b"http", b"events", b"stream", b"mail", b"user", b"pid", b"worker_processes"})
_HTTP_BLOCKS = frozenset({b"server", b"upstream", b"map", b"geo", b"split_clients", b"types", b"match"})
_SERVER_ONLY = frozenset({b"location", b"listen", b"server_name"})


class Reader(Protocol):
    """Where the tree gets its bytes from; paths are those nginx would open."""

    def read(self, path: str) -> bytes | None:
        """The file's bytes, or None when there is no such (readable, plain) file."""

    def glob(self, pattern: str) -> list[str]:
        """The paths that glob(3) finds, sorted bytewise; none is fine."""


class MappingReader:
    """A Reader over a mapping of paths to bytes, with glob(3)'s rules for patterns."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self._files = files
        self._paths = {posixpath.normpath(path): path for path in files}

    def read(self, path: str) -> bytes | None:
        data = self._files.get(path)
        if data is None and (known := self._paths.get(posixpath.normpath(path))) is not None:
            data = self._files[known]
        return data

    def glob(self, pattern: str) -> list[str]:
        regex = glob_regex(posixpath.normpath(pattern))
        found = [path for plain, path in self._paths.items() if regex.fullmatch(plain)]
        return sorted(found, key=lambda path: path.encode("utf-8", "surrogateescape"))


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


@dataclass(frozen=True, slots=True, eq=False)
class ConfigFile:
    """A file of the tree, and the contexts it stands in, such as ``("http", "server")``; ``()`` is main."""

    path: str
    document: Document
    contexts: frozenset[tuple[str, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class Located:
    """A directive, the file it is in, and the includes that lead there (outermost first)."""

    directive: Directive
    file: ConfigFile
    via: tuple[Located, ...] = ()

    @property
    def where(self) -> str:
        """``file:line``."""
        return f"{self.file.path}:{self.directive.line}"


class ConfigTree:
    """All files reached from one main file, main first, then in the order they are included.

    ``problems`` are the included files that are missing or can't be parsed, and include loops. Nothing is
    known about what such a file holds: the caller decides whether it matters. ``context`` is the main file's
    own: ``()``, or what it is a fragment of.
    """

    __slots__ = ("_includes", "_servers", "context", "files", "main", "problems")

    def __init__(self, main: str, context: tuple[str, ...]) -> None:
        self.main = main
        self.context = context
        self.files: dict[str, ConfigFile] = {}
        self.problems: list[ConfigError] = []
        self._includes: dict[int, tuple[str, ...]] = {}
        self._servers: list[ServerBlock] | None = None

    @property
    def main_file(self) -> ConfigFile:
        return self.files[self.main]

    def included(self, include: Directive) -> list[ConfigFile]:
        """The files an ``include`` directive of this tree brings in, in nginx's order."""
        return [self.files[path] for path in self._includes.get(id(include), ()) if path in self.files]

    def expand(
        self, directives: Iterable[Directive], file: ConfigFile, via: tuple[Located, ...] = ()
    ) -> Iterator[Located]:
        """The directives as nginx sees them: each ``include`` is replaced by what it brings in."""
        for directive in directives:
            if directive.name != b"include":
                yield Located(directive, file, via)
                continue
            chain = (*via, Located(directive, file, via))
            passed = {id(step.file) for step in chain}
            for included in self.included(directive):
                if id(included) not in passed:
                    yield from self.expand(included.document.directives, included, chain)

    def http_level(self) -> Iterator[Located]:
        """Every directive directly inside ``http``, through includes."""
        top = self.expand(self.main_file.document.directives, self.main_file)
        if self.context == ("http",):
            yield from top
        elif not self.context:
            for http in top:
                if http.directive.name == b"http":
                    yield from self.expand(http.directive.children, http.file, http.via)

    def http_servers(self) -> list[ServerBlock]:
        """Every ``server`` of ``http``, in nginx's order (never those of ``stream`` or ``mail``)."""
        if self._servers is None:
            self._servers = [
                read_server(self, located)
                for located in self.http_level()
                if located.directive.name == b"server" and located.directive.body is not None
            ]
        return self._servers


def load(main: str, reader: Reader, *, context: tuple[str, ...] | None = None) -> ConfigTree:
    """Read the main file and everything it includes.

    Relative includes resolve against the main file's directory, as nginx's conf prefix does, whichever file
    they stand in. ``context`` says what the main file is a fragment of; None finds out by its directives.
    Raises ParseError when the main file isn't configuration, ConfigError when there is none.
    """
    data = reader.read(main)
    if data is None:
        raise ConfigError("there is no such file", file=main, hint="check the path of the configuration file")
    document = parse(data, main)
    tree = ConfigTree(main, detect_context(document) if context is None else context)
    _Loader(tree, reader).run(document)
    return tree


def detect_context(document: Document) -> tuple[str, ...]:
    """What a file is a fragment of, by its top-level directives: main, ``http``, ``stream`` or ``server``."""
    names = {directive.name for directive in document.directives}
    blocks = {directive.name for directive in document.directives if directive.body is not None}
    if names & _MAIN_ONLY:
        return ()
    if blocks & _HTTP_BLOCKS:
        return ("stream",) if _in_stream(document) else ("http",)
    if names & _SERVER_ONLY:
        return ("http", "server")
    return ()


def _in_stream(document: Document) -> bool:
    """Whether the servers are those of ``stream``: there ``proxy_pass`` stands in the server itself."""
    servers = (d for d in document.directives if d.name == b"server")
    return any(child.name == b"proxy_pass" for server in servers for child in server.children)


class _Loader:
    """Reads each file once, and visits it once for every context that includes it."""

    def __init__(self, tree: ConfigTree, reader: Reader) -> None:
        self.tree = tree
        self.reader = reader
        self.prefix = posixpath.dirname(tree.main)
        self.contexts: dict[str, set[tuple[str, ...]]] = {}
        self.documents: dict[str, Document] = {}
        self.includes: dict[str, list[Directive]] = {}
        self.missing: set[str] = set()
        self.broken: set[str] = set()
        self.reported: set[tuple[int, str]] = set()

    def run(self, document: Document) -> None:
        self.documents[self.tree.main] = document
        self.visit(self.tree.main, self.tree.context, ())
        for path, contexts in self.contexts.items():
            self.tree.files[path] = ConfigFile(path, self.documents[path], frozenset(contexts))

    def visit(self, path: str, context: tuple[str, ...], stack: tuple[str, ...]) -> None:
        document = self.documents[path]
        seen = self.contexts.setdefault(path, set())
        if context in seen:
            return
        seen.add(context)
        if path not in self.includes:
            self.includes[path] = [d for d in document.walk() if d.name == b"include" and d.body is None]
        for include in self.includes[path]:
            inner = context + _ancestors(include)
            for target in self.targets(path, include):
                if self.enter(path, include, target, (*stack, path)):
                    self.visit(target, inner, (*stack, path))

    def targets(self, path: str, include: Directive) -> tuple[str, ...]:
        """The paths an include names; found once, whatever the number of contexts it stands in."""
        known = self.tree._includes.get(id(include))
        if known is not None:
            return known
        words = include.args
        found: tuple[str, ...] = ()
        if len(words) == 1:
            pattern = posixpath.join(self.prefix, words[0].decode("utf-8", "surrogateescape"))
            is_glob = any(character in pattern for character in "*?[")
            found = tuple(self.reader.glob(pattern)) if is_glob else (pattern,)
        else:
            self.report(
                path, include, "", "include takes one file name", "correct this line: nginx refuses it"
            )
        self.tree._includes[id(include)] = found
        return found

    def enter(self, path: str, include: Directive, target: str, stack: tuple[str, ...]) -> bool:
        """Whether the target can be walked; if not, the problem is noted and the tree does without it."""
        if target in stack:
            message = f"the include of {target} never ends: that file is being read already"
            self.report(path, include, target, message, "take this include out")
            return False
        if len(stack) >= MAX_INCLUDE_DEPTH:
            message = f"includes are nested more than {MAX_INCLUDE_DEPTH} deep"
            self.report(path, include, target, message, "look for files that include each other")
            return False
        if target not in self.documents and target not in self.broken:
            self.read(target)
        if target in self.missing:
            message = f"the included file {target} is missing or can't be read"
            self.report(path, include, target, message, "create the file, or take this include out")
        return target in self.documents

    def read(self, target: str) -> None:
        data = self.reader.read(target)
        if data is None:
            self.missing.add(target)
            return
        try:
            self.documents[target] = parse(data, target)
        except ParseError as error:
            self.broken.add(target)
            self.tree.problems.append(error)

    def report(self, path: str, include: Directive, target: str, message: str, hint: str) -> None:
        if (id(include), target) not in self.reported:
            self.reported.add((id(include), target))
            self.tree.problems.append(ConfigError(message, hint=hint, file=path, line=include.line))


def _ancestors(directive: Directive) -> tuple[str, ...]:
    names: list[str] = []
    parent = directive.parent
    while parent is not None:
        names.append(parent.name.decode("utf-8", "surrogateescape"))
        parent = parent.parent
    return tuple(reversed(names))
