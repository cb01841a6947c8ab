"""The corpus checks on any folder of NGINX configurations or fragments: what `tests/corpus/run` does.

For each regular file: does it parse (else `refused`, with the reason); is the document, put together from its
parts, the input (`identical`); does crossplane see the same (`agree`); can a route be put into every server
block and be taken out again, byte for byte (`reversible`). Exit status 0 when nothing crashed and no byte
changed, else 1.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from corpus.agreement import compare
from corpus.splicing import check_reversible
from corpus.tokens import Broken, check_identical
from nginxws.config.document import parse
from nginxws.errors import NginxwsError

MAX_BYTES = 8 * 1024 * 1024
"""Larger files are refused unread: nobody writes such a configuration."""

COUNTS = ("files", "identical", "agree", "reversible", "refused", "crashed", "changed", "servers")


@dataclass(slots=True)
class Row:
    """What was found out about one file. ``explained`` names known departures of crossplane from nginx."""

    file: str
    identical: bool = False
    agree: bool = False
    reversible: bool = False
    servers: int = 0
    refused: str | None = None
    crashed: str | None = None
    changed: bool = False
    problems: list[str] = field(default_factory=list)
    explained: list[str] = field(default_factory=list)

    @property
    def well(self) -> bool:
        return self.identical and self.agree and self.reversible


def examine(path: Path, name: str) -> Row:
    """Run every check on one file; whatever goes wrong ends up in the row."""
    row = Row(name)
    try:
        _examine(path, row)
    except Exception as error:
        row.crashed = f"{type(error).__name__}: {error}"
    return row


def _examine(path: Path, row: Row) -> None:
    try:
        if path.stat().st_size > MAX_BYTES:
            row.refused = f"larger than {MAX_BYTES // 1024 // 1024} MiB"
            return
        data = path.read_bytes()
    except OSError as error:
        row.refused = f"unreadable: {error.strerror}"
        return
    try:
        document = parse(data, row.file)
    except NginxwsError as error:
        row.refused = f"line {error.line}: {error.message}"
        return
    try:
        check_identical(document)
        row.identical = True
    except Broken as error:
        row.changed = True
        row.problems.append(f"not identical: {error}")
    agreement = compare(path, document)
    row.agree = not agreement.difference
    row.explained.extend(agreement.excuses)
    if agreement.difference:
        row.problems.append(f"crossplane disagrees: {agreement.difference}")
    try:
        result = check_reversible(data)
        row.servers = result.servers
        row.problems.extend(f"not reversible: {problem}" for problem in result.problems)
        row.reversible = not result.problems
    except Broken as error:
        row.changed = True
        row.problems.append(f"not reversible: {error}")


def regular_files(folder: Path) -> Iterator[Path]:
    """Every regular file below a folder, in a fixed order; no symbolic links, nothing of a .git folder."""
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name != ".git")
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file() and not path.is_symlink():
                yield path


def report(rows: Sequence[Row]) -> dict[str, Any]:
    """The counts, and a row for every file that isn't well."""
    return {
        "files": len(rows),
        "servers": sum(row.servers for row in rows),
        "identical": sum(row.identical for row in rows),
        "agree": sum(row.agree for row in rows),
        "reversible": sum(row.reversible for row in rows),
        "refused": sum(row.refused is not None for row in rows),
        "crashed": sum(row.crashed is not None for row in rows),
        "changed": sum(row.changed for row in rows),
        "rows": [asdict(row) for row in rows if not row.well],
        "explained": {row.file: row.explained for row in rows if row.explained},
    }


def main(argv: Sequence[str]) -> int:
    """The command line: prints the report, and returns the exit status."""
    parser = argparse.ArgumentParser(prog="tests/corpus/run", description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR", help="folder with configurations or fragments")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(argv)
    if not options.folder.is_dir():
        parser.error(f"{options.folder} is no folder")
    rows = [examine(path, str(path.relative_to(options.folder))) for path in regular_files(options.folder)]
    result = report(rows)
    # File names are bytes to the system; a terminal or a JSON reader may not take all of them.
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    with contextlib.suppress(BrokenPipeError):  # `| head` has seen enough; the exit status still counts
        print(json.dumps(result, indent=2) if options.json else as_text(result), flush=True)
    return 1 if result["crashed"] or result["changed"] else 0


def as_text(result: dict[str, Any]) -> str:
    """The counts in one line, then the files that aren't well, and where crossplane is known to be wrong."""
    lines = [" · ".join(f"{key} {result[key]}" for key in COUNTS)]
    for row in result["rows"]:
        if row["crashed"] is not None:
            state = f"crashed: {row['crashed']}"
        elif row["refused"] is not None:
            state = f"refused: {row['refused']}"
        else:
            state = "; ".join(row["problems"])
        lines.append(f"{row['file']}: {state}")
    lines.extend(
        f"{file}: agrees, but for crossplane: {'; '.join(why)}" for file, why in result["explained"].items()
    )
    return "\n".join(lines)
