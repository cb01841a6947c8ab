"""The node of an application: folders of a test's own, a restart that leaves a trace, requests to it."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from nginxws.environment.archive import Entry
from nginxws.environment.plan import AppPlan, AppSnapshot, make_app_plan
from nginxws.environment.wanted import WantedApp, WantedFile
from nginxws.nodes.interrupts import Listener
from nginxws.nodes.provision import application
from nginxws.nodes.provision.application import AppDone, AppRecovered
from nginxws.nodes.provision.options import AppOptions
from nginxws.nodes.script import provision
from nginxws.nodes.session import Session
from nginxws.nodes.sudo import Sudo
from nginxws.nodes.transport import Transport
from support.talking import ShellTransport, no_step

PATTERN = rb'url = "([^"]*)"'

_UNFINISHED = frozenset({"pending", "pending.tmp", "staging", "making", "owner"})

Tree = dict[str, tuple[object, ...]]


def entries(version: str) -> tuple[Entry, ...]:
    """A source of two files, one of them a program."""
    return (
        Entry("version", 0o644, f"{version}\n".encode()),
        Entry("bin/run", 0o755, b"#!/bin/sh\nexec cat version\n"),
    )


def tree(*tops: Path) -> Tree:
    """What there is in folders, to the byte: kind, mode, owner, and text or the link's."""
    found: Tree = {}
    for top in tops:
        for path in [top, *sorted(top.rglob("*"))]:
            info = path.lstat()
            text: object = None
            if path.is_symlink():
                text = os.readlink(path)  # noqa: PTH115  # as it stands there
            elif path.is_file():
                text = path.read_bytes()
            found[str(path)] = (stat.S_IFMT(info.st_mode), info.st_mode, info.st_uid, info.st_gid, text)
    return found


class AppNode:
    """One application: ``home`` is what a change may touch, ``work`` the test's own.

    The restart writes what it finds deployed to the file ``running``, so whether that is what is there
    can be told; it fails for a version that begins with "bad", and never ends for one with "stuck".
    """

    def __init__(self, folder: Path) -> None:
        self.work = folder
        self.home = folder / "the home"
        self.state = folder / "state"
        self.target = self.home / "srv" / "chat"
        self.conf = self.home / "etc" / "chat.conf"
        self.running = folder / "running"
        self.conf.parent.mkdir(parents=True)
        self.conf.write_text('# chat\nurl = "ws://old/"\n')
        self.conf.chmod(0o640)
        self.wanted = WantedApp(
            name="chat",
            host="127.0.0.1",
            port=1,
            source="chat",
            target=str(self.target),
            keep=2,
            service=None,
            restart=self.restart(),
            ready_timeout=5,
            files=(self.file("ws://new/ws/"),),
            after=(),
        )
        self.restarted()

    def restart(self) -> str:
        version, running = f"'{self.target}/current/version'", f"'{self.running}'"
        return (
            f"set -e; touch {running}.new; if [ -e {version} ]; then cat {version} >{running}.new; fi; "
            f"case $(cat {running}.new) in bad*) echo it is broken; exit 3 ;; "
            f"stuck*) echo $$ >{running}.pid; sleep 1000 ;; esac; "
            f"cat '{self.conf}' {running}.new >{running}.all; rm {running}.new; "
            f"mv {running}.all {running}; echo x >>{running}.count"
        )

    def file(self, value: str, path: Path | None = None) -> WantedFile:
        place = str(path or self.conf)
        return WantedFile(place, PATTERN, None, value, in_source=False, on_node=place)

    def served(self) -> bytes:
        """What the application is when it is restarted now."""
        version = self.target / "current" / "version"
        return self.conf.read_bytes() + (version.read_bytes() if version.exists() else b"")

    def restarted(self) -> None:
        self.running.write_bytes(self.served())

    @property
    def restarts(self) -> int:
        count = self.running.with_name("running.count")
        return len(count.read_text().splitlines()) if count.exists() else 0

    def tree(self) -> Tree:
        return tree(self.home)

    def leftovers(self) -> list[str]:
        """Temporary names, and state of a change that is not over."""
        return [
            str(path)
            for path in [*self.home.rglob("*"), *self.state.rglob("*")]
            if path.name.startswith(".nginxws-") or path.name in _UNFINISHED
        ]


class AppTalk:
    """Requests to one node in one shell."""

    def __init__(
        self,
        node: AppNode,
        shell: Sequence[str] = ("dash",),
        connect: Callable[[], Transport] | None = None,
    ) -> None:
        self.node = node
        self._connect = connect or (lambda: ShellTransport(shell))
        self.options = AppOptions.of(
            node.wanted,
            state_dir=str(node.state),
            who="tester@here",
            lock_timeout=10,
            confirm_timeout=20,
            restart_timeout=10,
        )

    def with_options(self, **changes: object) -> AppTalk:
        other = AppTalk(self.node, connect=self._connect)
        other.options = replace(self.options, **changes)  # type: ignore[arg-type]  # fields by name
        return other

    @contextlib.contextmanager
    def session(self, text: bytes | None = None) -> Iterator[Session]:
        with self._connect() as transport:
            yield Session(transport, Sudo(), text=provision.script() if text is None else text)

    def look(self, *, undo: bool = True, text: bytes | None = None) -> AppSnapshot:
        with self.session(text) as session:
            return application.look(session, self.node.wanted, self.options, undo=undo)

    def plan(self, version: str | None = "one", now: AppSnapshot | None = None) -> AppPlan:
        source = None if version is None else entries(version)
        return make_app_plan(self.node.wanted, now or self.look(), source)

    def change(
        self,
        plan: AppPlan,
        decide: Callable[[], str | None] = lambda: None,
        *,
        text: bytes | None = None,
        on_step: Callable[[str, str], None] = no_step,
        now: AppSnapshot | None = None,
        interrupts: Listener | None = None,
        transaction: str = "",
    ) -> AppDone:
        with self.session(text) as session:
            return application.change(
                session,
                plan,
                self.node.wanted,
                self.options,
                decide,
                on_step,
                interrupts,
                now=now,
                transaction=transaction,
            )

    def up(self, version: str | None = "one", **more: object) -> AppDone:
        return self.change(self.plan(version), **more)  # type: ignore[arg-type]  # as change takes them

    def down(
        self,
        decide: Callable[[], str | None] = lambda: None,
        *,
        text: bytes | None = None,
        on_step: Callable[[str, str], None] = no_step,
        plan: AppPlan | None = None,
        now: AppSnapshot | None = None,
    ) -> AppDone:
        with self.session(text) as session:
            return application.down(
                session, self.node.wanted, self.options, decide, on_step, plan=plan, now=now
            )

    def recover(self, text: bytes | None = None) -> AppRecovered:
        with self.session(text) as session:
            return application.recover(session, self.options)
