"""One application's part of a change of the environment, a broken connection included."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nginxws.environment.plan import AppPlan, AppSnapshot
from nginxws.environment.wanted import WantedApp
from nginxws.errors import ConnectionFailed, NginxwsError, ProtocolError, Restored
from nginxws.nodes.interrupts import Listener
from nginxws.nodes.link import NodeLink
from nginxws.nodes.provision import application
from nginxws.nodes.provision.application import AppDone
from nginxws.nodes.provision.options import AppOptions
from nginxws.nodes.reading import OnStep
from nginxws.nodes.transaction import Decide

#: Seconds between two tries to reach a node again after its connection broke, and for how long.
_RETRY = 1.0
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class Application:
    """An application and its plan. ``plan_anew`` plans from a later snapshot: nothing to do, if it was kept.

    ``now`` is the snapshot that ``plan`` was made from; ``down``: our part of it is taken back.
    """

    link: NodeLink
    wanted: WantedApp
    options: AppOptions
    plan: AppPlan
    now: AppSnapshot
    plan_anew: Callable[[AppSnapshot], AppPlan]
    on_step: OnStep
    down: bool = False

    def change(self, decide: Decide, listener: Listener) -> Sequence[str]:
        """Carry the plan out, up to the word that ``decide`` gives; what there is to know besides.

        Raises as the driver does, and Restored where the connection broke and the node is as it was.
        """
        agreed = []

        def decided() -> str | None:
            if (refusal := decide()) is None:
                agreed.append(True)
            return refusal

        try:
            done = self._driven(decided, listener)
        except (ConnectionFailed, ProtocolError) as error:
            self._settle(error, agreed=bool(agreed))
            return ()
        finally:
            self.link.end_session()
        places = [f"written in place: {place}" for place in done.in_place]
        return [*places, *filter(None, done.words.split("\n"))]

    def _driven(self, decide: Decide, listener: Listener) -> AppDone:
        session = self.link.session()
        if self.down:
            return application.down(
                session,
                self.wanted,
                self.options,
                decide,
                self.on_step,
                listener,
                plan=self.plan,
                now=self.now,
            )
        return application.change(
            session, self.plan, self.wanted, self.options, decide, self.on_step, listener, now=self.now
        )

    def _settle(self, error: NginxwsError, *, agreed: bool) -> None:
        """Return if the change was kept; raises Restored if it wasn't, or ConnectionFailed."""
        self.on_step("reconnect", error.message)
        if self.plan_anew(self._look_again()).is_noop and agreed:
            return
        raise Restored(
            f"the connection broke ({error.message}); the node is as it was",
            node=self.link.name,
            detail=error.detail,
            hint="look at the network, then run the command again",
        ) from error

    def _look_again(self) -> AppSnapshot:
        """The node's snapshot once it can be reached, and has undone what it had to."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            self.link.reconnect()
            try:
                return application.look(self.link.session(), self.wanted, self.options, on_step=self.on_step)
            except ConnectionFailed as error:
                if time.monotonic() > deadline:
                    hint = "when it can be reached, run the same command again: it undoes what is left first"
                    raise ConnectionFailed(
                        error.message, node=self.link.name, detail=error.detail, hint=hint
                    ) from error
            time.sleep(_RETRY)
