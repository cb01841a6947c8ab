"""The files that NGINX's configuration is made of, as `include` joins them.

Reading is injected (``Reader``), so the same code walks a node's snapshot, files here, and a test's dict.
Source of the rules: nginx's ngx_conf_include and ngx_open_glob (core/ngx_conf_file.c).
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from nginxws.config.bounds import MAX_INCLUDE_DEPTH, Budget, check_expanded
from nginxws.config.document import Directive, Document, parse
from nginxws.config.octets import to_text
from nginxws.config.readers import MappingReader, Reader, RecordingReader
from nginxws.config.servers import ServerBlock, read_server
from nginxws.errors import ConfigError, ParseError

__all__ = [
    "MAX_INCLUDE_DEPTH", "ConfigFile", "ConfigTree", "Located", "MappingReader", "Reader", "RecordingReader",
    "detect_context", "load",
]  # fmt: skip

_MAIN_ONLY = frozenset({b"http", b"events", b"stream", b"mail", b"user", b"pid", b"worker_processes"})
_HTTP_BLOCKS = frozenset({b"server", b"upstream", b"map", b"geo", b"split_clients", b"types", b"match"})
_SERVER_ONLY = frozenset({b"location", b"listen", b"server_name"})


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
        """The file that all the others are included from."""
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
            for included in self.included(directive):  # loops were cut when the files were read
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
    Raises ParseError when the main file isn't configuration, ConfigError when there is none, or more than
    ``bounds.py`` allows.
    """
    data = reader.read(main)
    if data is None:
        raise ConfigError("there is no such file", file=main, hint="check the path of the configuration file")
    budget = Budget()
    budget.read(data, main)
    document = parse(data, main)
    tree = ConfigTree(main, detect_context(document) if context is None else context)
    _Loader(tree, reader, budget).run(document)
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

    def __init__(self, tree: ConfigTree, reader: Reader, budget: Budget) -> None:
        self.tree = tree
        self.budget = budget
        self.reader = reader
        self.prefix = posixpath.dirname(tree.main)
        self.contexts: dict[str, set[tuple[str, ...]]] = {}
        self.documents: dict[str, Document] = {}
        self.includes: dict[str, list[Directive]] = {}
        self.missing: set[str] = set()
        self.broken: set[str] = set()
        self.reported: set[tuple[int, str]] = set()
        self.found: dict[str, tuple[str, ...]] = {}
        self.cut: dict[int, set[str]] = {}

    def run(self, document: Document) -> None:
        self.documents[self.tree.main] = document
        self.visit(self.tree.main, self.tree.context, ())
        for include, targets in self.cut.items():
            kept = (target for target in self.tree._includes[include] if target not in targets)
            self.tree._includes[include] = tuple(kept)
        self.check_expanded()
        for path, contexts in self.contexts.items():
            self.tree.files[path] = ConfigFile(path, self.documents[path], frozenset(contexts))

    def check_expanded(self) -> None:
        """Includes that multiply, without loops by now, are refused before anybody walks them."""
        known = self.tree._includes
        names = {
            path: [name for one in includes for name in known.get(id(one), ()) if name in self.contexts]
            for path, includes in self.includes.items()
        }
        sizes = {path: sum(1 for _ in self.documents[path].walk()) for path in self.contexts}
        check_expanded(self.tree.main, sizes, lambda path: names[path])

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
            self.budget.enter(inner, path, include.line)
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
            pattern = posixpath.join(self.prefix, to_text(words[0]))
            is_glob = any(character in pattern for character in "*?[")
            found = self.glob(pattern, path) if is_glob else (pattern,)
        else:
            self.report(
                path, include, "", "include takes one file name", "correct this line: nginx refuses it"
            )
        self.tree._includes[id(include)] = found
        return found

    def glob(self, pattern: str, path: str) -> tuple[str, ...]:
        """What a pattern finds, once for all includes that have it."""
        if pattern not in self.found:
            self.found[pattern] = tuple(self.reader.glob(pattern))
            self.budget.step(self.reader.cost(pattern), path)
        self.budget.step(len(self.found[pattern]), path)
        return self.found[pattern]

    def enter(self, path: str, include: Directive, target: str, stack: tuple[str, ...]) -> bool:
        """Whether the target can be walked; if not, the problem is noted and the tree does without it."""
        self.budget.step(1, path)
        if target in stack:
            message = f"the include of {target} never ends: that file is being read already"
            self.report(path, include, target, message, "take this include out")
            self.cut.setdefault(id(include), set()).add(target)
            return False
        if len(stack) >= MAX_INCLUDE_DEPTH:
            message = f"includes are nested more than {MAX_INCLUDE_DEPTH} deep"
            self.report(path, include, target, message, "look for files that include each other")
            self.cut.setdefault(id(include), set()).add(target)
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
        self.budget.read(data, target)
        try:
            self.documents[target] = parse(data, target)
        except ParseError as error:
            self.broken.add(target)
            self.tree.problems.append(error)

    def report(self, path: str, include: Directive, target: str, message: str, hint: str) -> None:
        if (id(include), target) not in self.reported:
            self.reported.add((id(include), target))
            self.budget.problem(path, include.line)
            self.tree.problems.append(ConfigError(message, hint=hint, file=path, line=include.line))


def _ancestors(directive: Directive) -> tuple[str, ...]:
    names: list[str] = []
    parent = directive.parent
    while parent is not None:
        names.append(to_text(parent.name))
        parent = parent.parent
    return tuple(reversed(names))
