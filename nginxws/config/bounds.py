"""How much configuration is read before it counts as too large: bounds that no balancer meets.

They keep a configuration that was made to exhaust its reader from doing so: files of nothing but
semicolons, includes that multiply, names that match everything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from nginxws.config.document import MAX_DEPTH
from nginxws.errors import ConfigError

MAX_INCLUDE_DEPTH = 100
"""Files inside files beyond this are reported as a problem: nginx would run out of file descriptors."""

MAX_DIRECTIVES = 2_000_000
"""Directives and comments of all files together; and directives with every include replaced by its files."""

MAX_STEPS = 2_000_000
"""Steps that following includes may take. An include counts once for every context that its file stands in,
for every name that it finds, and for every file that its pattern is held against."""


MAX_PROBLEMS = 10_000
"""Includes that lead nowhere: to files that are missing, or being read already."""


def too_much(what: str, file: str, line: int | None = None) -> ConfigError:
    """The error for a configuration that would exhaust whoever reads it."""
    hint = "no balancer needs that: look for includes that take in each other, or a folder of other files"
    return ConfigError(f"the configuration is too large: {what}", file=file, line=line, hint=hint)


class Budget:
    """What reading one configuration has cost so far."""

    __slots__ = ("problems", "statements", "steps")

    def __init__(self) -> None:
        self.problems = 0
        self.statements = 0
        self.steps = 0

    def read(self, data: bytes, file: str) -> None:
        """Before a file is parsed; counts at least as many statements as there are. Raises ConfigError."""
        self.statements += data.count(b";") + data.count(b"{") + data.count(b"#")
        if self.statements > MAX_DIRECTIVES:
            raise too_much(f"its files hold more than {MAX_DIRECTIVES} directives", file)

    def problem(self, file: str, line: int) -> None:
        """Before an include that leads nowhere is noted. Raises ConfigError."""
        self.problems += 1
        if self.problems > MAX_PROBLEMS:
            raise too_much(f"more than {MAX_PROBLEMS} of its includes lead nowhere", file, line)

    def step(self, count: int, file: str) -> None:
        """While includes are followed. Raises ConfigError."""
        self.steps += count
        if self.steps > MAX_STEPS:
            raise too_much(f"following its includes takes more than {MAX_STEPS} steps", file)

    def enter(self, context: tuple[str, ...], file: str, line: int) -> None:
        """Before the files of an include are visited in a context. Raises ConfigError."""
        if len(context) > MAX_DEPTH:
            raise too_much(f"blocks are nested more than {MAX_DEPTH} deep", file, line)
        self.step(1 + len(context), file)


def check_expanded(main: str, sizes: dict[str, int], includes: Callable[[str], Iterable[str]]) -> None:
    """Refuse includes that multiply: what NGINX would read, with each include replaced by its files.

    ``sizes`` is how many directives stand in each file itself; ``includes`` gives the files that a file
    takes in, one for each time. Raises ConfigError.
    """
    total: dict[str, tuple[int, int]] = {}  # directives and depth with all that is included
    pending = [main]
    begun: set[str] = set()
    while pending:
        path = pending[-1]
        inner = list(includes(path))
        missing = {target for target in inner if target not in total}
        if path not in begun and missing:
            begun.add(path)
            pending.extend(missing)
            continue
        pending.pop()
        if path in total:
            continue
        # What is still missing here includes this file: a loop, which nobody walks twice.
        known = [total[target] for target in inner if target in total]
        size = sizes[path] + sum(one[0] for one in known)
        depth = 1 + max((one[1] for one in known), default=0)
        if size > MAX_DIRECTIVES:
            raise too_much(f"its includes multiply it to more than {MAX_DIRECTIVES} directives", path)
        if depth > MAX_INCLUDE_DEPTH + 1:
            raise too_much(f"includes are nested more than {MAX_INCLUDE_DEPTH} deep", path)
        total[path] = size, depth
