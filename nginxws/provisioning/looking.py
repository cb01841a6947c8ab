"""Look at applications' nodes in the background, all at once and beside the balancers."""

from __future__ import annotations

import threading

from nginxws.environment.plan import AppSnapshot
from nginxws.environment.wanted import WantedApp
from nginxws.nodes.link import NodeLink
from nginxws.nodes.provision import application
from nginxws.nodes.provision.options import AppOptions
from nginxws.nodes.reading import OnStep


class Looking:
    """An application's node being looked at; ``result`` waits for the snapshot.

    ``undo``: what an interrupted change left is undone first. ``deployed``: at the release's files, too.
    """

    def __init__(
        self,
        link: NodeLink,
        wanted: WantedApp,
        options: AppOptions,
        on_step: OnStep,
        *,
        undo: bool,
        deployed: bool = False,
    ) -> None:
        self._snapshot: AppSnapshot | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(
            target=self._run,
            args=(link, wanted, options, on_step),
            kwargs={"undo": undo, "deployed": deployed},
            name=f"look {link.name}",
            daemon=True,
        )
        self._thread.start()

    def _run(
        self, link: NodeLink, wanted: WantedApp, options: AppOptions, on_step: OnStep, **how: bool
    ) -> None:
        try:
            on_step("look", "")
            self._snapshot = application.look(link.session(), wanted, options, on_step=on_step, **how)
        except BaseException as error:  # handed to whoever asks for the result
            self._error = error

    def result(self) -> AppSnapshot:
        """The snapshot; raises what looking raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        assert self._snapshot is not None
        return self._snapshot
