"""Change the balancer's files over the API: written, read back, tested, reloaded, proved, or put back.

The order is that of the transaction over SSH as far as the API allows. Two things are weaker, and the
documentation says so: the file is written before NGINX tests it (the API can't test a staged file; NGINX
reads it at the next reload only), and a client that dies in between leaves it written, for the next run to
prove.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final

from nginxws.checks.gate import new_errors
from nginxws.errors import (
    ConfigError,
    ConnectionFailed,
    Interrupted,
    NginxwsError,
    NodeError,
    Restored,
    RestoreFailed,
    StaleError,
)
from nginxws.nodes.interrupts import Interrupts
from nginxws.plan import FilePlan, NodePlan
from nginxws.printable import excerpt
from nginxws.providers.jelastic import texts
from nginxws.providers.jelastic.balancer import Balancer, Workers, all_have, digests, renewed
from nginxws.providers.jelastic.http import NoAnswer
from nginxws.providers.jelastic.settings import Settings
from nginxws.providers.jelastic.undoing import take_all

OnStep = Callable[[str, str], None]

#: What the login user of a balancer node may do without a password, exactly so written; newest first.
_RELOADS: Final = (
    "sudo -n systemctl reload nginx",
    "sudo -n /sbin/service nginx reload",
    "sudo -n /etc/init.d/nginx reload",
)
_TESTS: Final = ("sudo -n /etc/init.d/nginx configtest", "sudo -n nginx -t", "nginx -t")
_QUOTED: Final = 2000  # characters of a program's words


class Change:
    """One change of the balancer. ``notes`` say what could not be had."""

    def __init__(self, balancer: Balancer, settings: Settings, plan: NodePlan, on_step: OnStep) -> None:
        self.balancer = balancer
        self.settings = settings
        self.plan = plan
        self.on_step = on_step
        self.notes: list[str] = []
        self._before: Workers = ()
        self._testable = False
        self._stood: set[str] = set()  # files that were seen with our text on every node
        self._reloading = False

    def carry_out(self, prove: Callable[[], None]) -> None:
        """Write the plan's files, and keep them if ``prove`` raises nothing.

        Raises ConfigError, NodeError, StaleError and ConnectionFailed with nothing changed; Restored,
        RestoreFailed and Interrupted after a write.
        """
        self._check()
        try:
            for file in self.plan.files:
                self.on_step("write", file.path)
                self._write(file, file.after)
                self._stood.add(file.path)
            self._test()
            self.reload()
            prove()
        except BaseException as error:
            with Interrupts():
                self._take_back(error)
            raise self._ended(error) from error

    def _check(self) -> None:
        """All that can be known before a byte changes."""
        before = {file.path: file.before for file in self.plan.files}
        after = {file.path: file.after for file in self.plan.files}
        found = new_errors(before, after, self.balancer.main, self.plan.contexts)
        if found.new:
            first = found.new[0]
            raise ConfigError(
                f"the change would bring in an error: {first.message}",
                node=self.plan.node,
                file=first.file,
                line=first.line,
                hint="nothing was sent; if it comes from a template of yours, correct it there",
            )
        self.look_at_workers()
        self._testable = self._tested() is None
        if not self._testable:
            self.notes.append(
                "NGINX's own test isn't possible, or fails already; its new workers are the test"
            )
        stale = self.balancer.unlike(dict(self.plan.base))
        if stale:
            raise StaleError(
                "the file changed while the plan was made",
                node=self.plan.node,
                file=stale[0],
                hint="run it again",
            )

    def look_at_workers(self) -> None:
        """Remember the workers that a reload must replace. Raises NodeError when there are none."""
        self._before = self.balancer.workers()
        if not all_have(self._before):
            raise NodeError(
                f"no NGINX worker can be seen on each node of the group {self.balancer.group}",
                node=self.plan.node,
                hint="is NGINX running there, and is it the right group? the dashboard shows both",
            )

    def _write(self, file: FilePlan, data: bytes) -> None:
        """Write a file, and read it back: text by the API, and its checksum by every node."""
        texts.write(self.balancer.platform, self.balancer.group, file.path, data, self.plan.node)

    def _tested(self) -> str | None:
        """None when NGINX's own test passes on each node; its words otherwise."""
        ran = self.balancer.run(" || ".join(_TESTS))
        return next((excerpt(one.output, _QUOTED) for one in ran if one.status != 0), None)

    def _test(self) -> None:
        words = self._tested() if self._testable else None
        if words is not None:
            raise NodeError(
                "NGINX's own test refuses the new configuration",
                node=self.plan.node,
                detail=words,
                hint="its words say where; correct that, then run the command again",
            )

    def reload(self) -> None:
        """Make each node read its files again, and wait for its new workers. Raises NodeError."""
        self._reloading = True
        self.on_step(self.settings.reload, self.balancer.group)
        if self.settings.reload == "restart":
            self._restart()
        else:
            self._reload()
        self._await_workers()

    def _restart(self) -> None:
        try:
            self.balancer.platform.restart_nodes(self.balancer.group)
        except NoAnswer:
            self.on_step("wait", "no answer to the restart: its workers tell")

    def _reload(self) -> None:
        command = " || ".join(_RELOADS)
        try:
            ran = self.balancer.run(command, repeat=False)
        except NoAnswer:
            if renewed(self._before, self.balancer.workers()):
                return
            ran = self.balancer.run(command, repeat=False)
        failed = next((one for one in ran if one.status != 0), None)
        if failed is not None:
            raise NodeError(
                "no command reloads NGINX there",
                node=self.plan.node,
                detail=excerpt(failed.output, _QUOTED) or None,
                hint='allow one by sudo, or say reload = "restart": that drops open WebSockets',
            )

    def _await_workers(self) -> None:
        """The proof of a reload: exit codes say nothing about it (decision 5)."""
        restart = self.settings.reload == "restart"
        seconds = self.settings.wait if restart else self.settings.reload_timeout
        deadline = time.monotonic() + seconds
        while not renewed(self._before, self.balancer.workers()):
            if time.monotonic() > deadline:
                raise NodeError(
                    f"NGINX started no new workers within {seconds:g} s: it didn't take the configuration",
                    node=self.plan.node,
                    hint="its error log says why: see Log on the dashboard",
                )
            time.sleep(self.settings.patience.poll)

    # --- the way back ---------------------------------------------------------------------------

    def _take_back(self, error: BaseException) -> None:
        """The old text into every file that may have the new one. Raises RestoreFailed."""
        again = take_all([*(partial(self._put_back, file) for file in self.plan.files), self._read_again])
        if isinstance(again, RestoreFailed):
            raise again
        if again is not None:
            raise RestoreFailed(
                f"the change failed ({_words(error)}), and so did its restore: {again.message}",
                node=self.plan.node,
                detail=again.detail,
                hint="take our blocks out of the file by hand, between their marker lines; then reload NGINX",
            ) from error

    def _read_again(self) -> None:
        """A reload, unless NGINX never read the new text."""
        now = self.balancer.workers() if self._reloading else self._before
        if now != self._before:
            self._before = now
            self.reload()

    def _put_back(self, file: FilePlan) -> None:
        if not self.balancer.unlike(digests({file.path: file.before})):
            return
        if file.path in self._stood and self.balancer.unlike(digests({file.path: file.after})):
            raise RestoreFailed(
                "somebody else wrote the file meanwhile: it was left as it is",
                node=self.plan.node,
                file=file.path,
                hint="look at the file: it may hold our block; `env down` takes that out",
            )
        self.on_step("restore", file.path)
        self._write(file, file.before)

    def _ended(self, error: BaseException) -> NginxwsError:
        """The error of a change that was taken back."""
        if not isinstance(error, Exception):  # Ctrl-C
            return Interrupted("interrupted; the balancer is as it was", node=self.plan.node)
        hint = error.hint if isinstance(error, NginxwsError) else "please report this as a bug"
        detail = error.detail if isinstance(error, NginxwsError) else None
        return Restored(
            f"{_words(error)}; the balancer is as it was", node=self.plan.node, detail=detail, hint=hint
        )


def _words(error: BaseException) -> str:
    if isinstance(error, ConnectionFailed):
        return f"the platform couldn't be reached: {error.message}"
    return error.message if isinstance(error, NginxwsError) else type(error).__name__
