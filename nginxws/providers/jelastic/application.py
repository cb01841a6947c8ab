"""The application's part on its nodes: the WebSocket address in its files, and the restart that reads it.

A file is edited as the balancer's is: read and proved, its original kept on the nodes, written, read back.
When what comes after fails, the old text is put back and the application restarted once more.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from typing import Final

from nginxws.counting import span
from nginxws.environment.plan import AppPlan, AppSnapshot, FileEdit, make_app_plan, make_down_plan
from nginxws.environment.wanted import WantedApp
from nginxws.errors import Interrupted, NginxwsError, NodeError, Restored, RestoreFailed, StaleError
from nginxws.nodes.interrupts import Interrupts
from nginxws.printable import excerpt
from nginxws.providers.jelastic import records, texts
from nginxws.providers.jelastic.balancer import digests
from nginxws.providers.jelastic.calls import Platform
from nginxws.providers.jelastic.http import NoAnswer
from nginxws.providers.jelastic.records import Record, with_sums
from nginxws.providers.jelastic.settings import Settings
from nginxws.providers.jelastic.undoing import take_all

OnStep = Callable[[str, str], None]

#: A socket that listens, in Linux's tables of them: local address, remote address, state (proc(5)).
_LISTENS: Final = "grep -Eqi ':{port:04X} [0-9A-F]+:0000 0A ' /proc/net/tcp /proc/net/tcp6"
_QUOTED: Final = 2000  # characters of a program's words
_SERVICE: Final = ("sudo -n systemctl restart {}", "sudo -n /sbin/service {} restart")


class Applications:
    """The applications of one group of nodes."""

    def __init__(
        self, platform: Platform, group: str, apps: Sequence[WantedApp], settings: Settings, on_step: OnStep
    ) -> None:
        self.platform = platform
        self.group = group
        self.apps = apps
        self.settings = settings
        self.on_step = on_step
        self.plans: tuple[AppPlan, ...] = ()
        self._seen: dict[str, AppSnapshot] = {}
        self._unread: list[Record] = []  # of a run that was cut off before its restart
        self._begun: list[tuple[AppPlan, FileEdit]] = []
        self._stood: set[str] = set()  # files that were seen with our text on every node
        self._restarting = False

    def plan(self, *, down: bool = False) -> None:
        """Look at the nodes and fill ``plans``. Changes nothing. Raises NginxwsError as `make_app_plan`."""
        if not self.apps:
            return
        self.on_step("look", self.group)
        self._seen, self._unread = records.look(self.platform, self.group, self.apps)
        self.plans = tuple(self._plan(app, down=down) for app in self.apps)

    def _plan(self, app: WantedApp, *, down: bool) -> AppPlan:
        now = self._seen[app.name]
        try:
            plan = make_down_plan(app, now) if down else make_app_plan(app, now, None)
        except NginxwsError as error:
            error.node = error.node or app.name
            raise
        if plan.edits and not plan.restart:
            plan = replace(plan, restart=True, changes=(*plan.changes, f"restart the nodes of {self.group}"))
        if not plan.edits and not down and any(one.app == app.name for one in self._unread):
            plan = replace(plan, restart=True, changes=("restart it: a run was cut off before that",))
        return plan

    def listening(self) -> dict[str, bool]:
        """Whether each application's port is listened on, on every node."""
        return {app.name: self._listens(app) for app in self.apps}

    def _listens(self, app: WantedApp) -> bool:
        ran = self.platform.run(self.group, _LISTENS.format(port=app.port))
        return all(one.status == 0 for one in ran)

    def await_ports(self, apps: Sequence[WantedApp]) -> None:
        """Wait until each is listened on. Raises NodeError after its ``ready_timeout``."""
        for app in apps:
            self.on_step("up", f"port {app.port}")
            deadline = time.monotonic() + app.ready_timeout
            while (why := self._silent(app)) is not None:
                if time.monotonic() + self.settings.patience.poll > deadline:
                    raise NodeError(
                        f"{app.name} isn't up after {span(app.ready_timeout)}: {why}",
                        node=app.name,
                        hint="its log says why; is `port` the one that it listens on?",
                    )
                time.sleep(self.settings.patience.poll)

    def _silent(self, app: WantedApp) -> str | None:
        try:
            return None if self._listens(app) else f"nothing listens on port {app.port}"
        except NginxwsError as error:  # nodes that restart can't be asked
            return error.message

    # --- changing -------------------------------------------------------------------------------

    @contextmanager
    def changed(self, *, down: bool = False) -> Iterator[None]:
        """The plans carried out, and kept if the block ends well; else all is as before.

        Raises the block's own error, Restored in its place where it says that nothing was changed;
        RestoreFailed, Interrupted.
        """
        if not any(plan.restart for plan in self.plans):
            yield
            return
        try:
            for plan in self.plans:
                for edit in plan.edits:
                    self._edit(plan, edit)
            self._restart()
            if not down:
                self.await_ports(self._restarted())
            yield
        except BaseException as error:
            with Interrupts():
                self._take_back(error)
            ended = _ended(error) if self._begun or self._restarting else error
            if ended is error:
                raise
            raise ended from error
        with suppress(NginxwsError):  # else the next run restarts once more
            self._settle()

    def _settle(self) -> None:
        """Note that what was written is read; remove records of files that are as before us."""
        edits = [(plan, edit) for plan in self.plans for edit in plan.edits]
        for plan, edit in edits:
            if edit.after == self._original(plan.name, edit.path):
                records.forget(self.platform, self.group, edit.path)
            else:
                record = with_sums(Record((), plan.name, edit.path), edit.after)
                records.keep(self.platform, self.group, record, original=False)
        written = {edit.path for _plan, edit in edits}
        for one in self._unread:
            if one.path not in written:
                records.keep(self.platform, self.group, replace(one, unread=False), original=False)

    def _original(self, app: str, path: str) -> bytes | None:
        return next(one.original for one in self._seen[app].files if one.path == path)

    def _edit(self, plan: AppPlan, edit: FileEdit) -> None:
        if self._unlike(edit.path, edit.before):
            raise StaleError(
                "the file changed while the plan was made",
                node=plan.name,
                file=edit.path,
                hint="run it again",
            )
        self.on_step("write", edit.path)
        self._begun.append((plan, edit))
        first = self._original(plan.name, edit.path) is None
        known = () if first else (edit.before,)
        record = with_sums(Record((), plan.name, edit.path, unread=True), edit.after, *known)
        records.keep(self.platform, self.group, record, original=first)
        texts.write(self.platform, self.group, edit.path, edit.after, plan.name)
        self._stood.add(edit.path)

    def _unlike(self, path: str, data: bytes) -> bool:
        return bool(texts.unlike(self.platform, self.group, digests({path: data})))

    def _restarted(self) -> list[WantedApp]:
        names = {plan.name for plan in self.plans if plan.restart}
        return [app for app in self.apps if app.name in names]

    def _restart(self) -> None:
        """Every edited application once; those without a service or command by their nodes, once for all."""
        self._restarting = True
        edited = self._restarted()
        for app in edited:
            if app.service or app.restart:
                self.on_step("restart", app.name)
                self._run(app)
        if any(not (app.service or app.restart) for app in edited):
            self.on_step("restart", f"nodes of {self.group}")
            try:
                self.platform.restart_nodes(self.group)
            except NoAnswer:
                self.on_step("wait", "no answer to the restart: the application's port tells")

    def _run(self, app: WantedApp) -> None:
        service = shlex.quote(app.service or "")
        if app.restart:  # in a shell of its own: it may say exit
            command = f"sh -c {shlex.quote(app.restart)}"
        else:
            command = " || ".join(one.format(service) for one in _SERVICE)
        ran = self.platform.run(self.group, command, repeat=False)
        failed = next((one for one in ran if one.status != 0), None)
        if failed is not None:
            raise NodeError(
                f"{app.name} can't be restarted",
                node=app.name,
                detail=excerpt(failed.output, _QUOTED) or None,
                hint="without `service` and `restart` the platform restarts the group's nodes",
            )

    # --- the way back ---------------------------------------------------------------------------

    def _take_back(self, error: BaseException) -> None:
        """The old text, and the old record, of every file that was begun. Raises RestoreFailed."""
        steps = [partial(self._put_back, plan, edit) for plan, edit in reversed(self._begun)]
        again = take_all([*steps, self._restart] if self._restarting else steps)
        if isinstance(again, RestoreFailed):
            raise again
        if again is not None:
            raise RestoreFailed(
                f"the change failed ({_words(error)}), and so did its restore: {again.message}",
                node=again.node,
                file=again.file,
                detail=again.detail,
                hint="originals stand in ~/.nginxws-addresses on the nodes; restart the application after",
            ) from error

    def _put_back(self, plan: AppPlan, edit: FileEdit) -> None:
        if self._unlike(edit.path, edit.before):
            if edit.path in self._stood and self._unlike(edit.path, edit.after):
                raise RestoreFailed(
                    "somebody else wrote the file meanwhile: it was left as it is",
                    node=plan.name,
                    file=edit.path,
                    hint="look at the address in it; the original stands in ~/.nginxws-addresses there",
                )
            self.on_step("restore", edit.path)
            texts.write(self.platform, self.group, edit.path, edit.before, plan.name)
        if self._original(plan.name, edit.path) is None:
            records.forget(self.platform, self.group, edit.path)
        else:
            record = with_sums(Record((), plan.name, edit.path), edit.before)
            records.keep(self.platform, self.group, record, original=False)


def _ended(error: BaseException) -> BaseException:
    """The error of what failed while application files were changed, which are as before."""
    if not isinstance(error, Exception):  # Ctrl-C
        return Interrupted("interrupted; the application is as it was")
    if isinstance(error, Restored | RestoreFailed | Interrupted):
        return error
    known = error if isinstance(error, NginxwsError) else None
    return Restored(
        f"{_words(error)}; everything was restored",
        node=known.node if known else None,
        file=known.file if known else None,
        detail=known.detail if known else None,
        hint=known.hint if known and known.hint else "please report this as a bug",
    )


def _words(error: BaseException) -> str:
    return error.message if isinstance(error, NginxwsError) else type(error).__name__
