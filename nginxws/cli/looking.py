"""Commands that only look at nodes: each node that is meant, read in the background, in their order."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from nginxws.errors import ExitCode, NginxwsError

if TYPE_CHECKING:
    from nginxws.cli.targets import ChangeTimes
    from nginxws.nodes.link import NodeLink
    from nginxws.report.progress import Progress

T = TypeVar("T")


def links_meant(
    options: dict[str, Any], progress: Progress, times: ChangeTimes | None = None
) -> list[NodeLink]:
    """A link for every node that TARGET means."""
    from nginxws.cli.manifest_file import open_meant
    from nginxws.nodes.prompt import ask_secret

    return open_meant(options, times, progress.asking(ask_secret))


def on_each(
    links: list[NodeLink],
    look: Callable[[NodeLink], T],
    failed: Callable[[str, NginxwsError], T],
) -> list[T]:
    """What each look comes to, or what ``failed`` makes of its error; nodes are looked at all at once.

    Ctrl-C leaves at once: nothing was changed, and the connections go with this process.
    """
    from concurrent.futures import ThreadPoolExecutor

    def one(link: NodeLink) -> T:
        with link:
            try:
                return look(link)
            except NginxwsError as error:
                error.node = error.node or link.name
                return failed(link.name, error)

    pool = ThreadPoolExecutor(max_workers=max(len(links), 1))
    try:
        return list(pool.map(one, links))
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def worst_of(errors: list[NginxwsError | None]) -> ExitCode:
    """The exit code of a look at several nodes."""
    from nginxws.deploy import NodeOutcome, worst

    return worst(NodeOutcome("", error=error) for error in errors)
