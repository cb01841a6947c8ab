"""Requests to the node script on a node of this machine, under any shell."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from nginxws.config.tree import RecordingReader, load
from nginxws.nodes import snapshot, transaction
from nginxws.nodes.local import LocalProcess, LocalTransport
from nginxws.nodes.options import NodeOptions
from nginxws.nodes.session import Session
from nginxws.nodes.sudo import Sudo
from nginxws.nodes.transaction import Committed
from nginxws.plan import NodePlan, Put
from nginxws.planner import make_plan
from nginxws.route import Route
from nginxws.snapshot import Snapshot
from support.nginx import NginxNode

SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "sh"]}


class ShellTransport(LocalTransport):
    """This machine, with another program for ``sh``."""

    def __init__(self, shell: Sequence[str]) -> None:
        super().__init__()
        self._shell = shell

    def run(self, argv: Sequence[str]) -> LocalProcess:
        assert argv[0] == "/bin/sh"
        return super().run([*self._shell, *argv[1:]])


class Talk:
    """One node and one shell: its requests."""

    def __init__(self, node: NginxNode, shell: Sequence[str]) -> None:
        self.node = node
        self.shell = shell
        self.options = NodeOptions(
            nginx_bin=node.binary,
            nginx_conf=str(node.conf),
            state_dir=str(node.state),
            who="tester@here",
            lock_timeout=10,
            confirm_timeout=10,
            reload_timeout=10,
        )

    @contextlib.contextmanager
    def session(self, text: bytes | None = None) -> Iterator[Session]:
        with ShellTransport(self.shell) as transport:
            yield Session(transport, Sudo(), text=text)

    def snapshot(self) -> Snapshot:
        with self.session() as session:
            return snapshot.take(session, self.options, missing)

    def plan(self, backend: str = "127.0.0.1:9") -> NodePlan:
        return make_plan(self.snapshot(), [Put(Route.create("/ws/", [backend]))])

    def transact(
        self,
        plan: NodePlan,
        decide: Callable[[], str | None] = lambda: None,
        *,
        text: bytes | None = None,
        on_step: Callable[[str, str], None] | None = None,
    ) -> Committed:
        with self.session(text) as session:
            on_step = on_step or no_step
            return transaction.run(session, plan, self.options, transaction.new_id(), on_step, decide)

    def recover(self, *, accept: bool = False, text: bytes | None = None) -> transaction.Recovered:
        with self.session(text) as session:
            return transaction.recover(session, self.options, [], no_step, accept=accept)

    def unlock(self, *, force: bool = False) -> str:
        with self.session() as session:
            return transaction.unlock(session, self.options, force=force)


def missing(now: Snapshot) -> list[str]:
    reader = RecordingReader(now.texts())
    load(now.nginx.conf, reader)
    return sorted(reader.wanted)


def no_step(_name: str, _words: str) -> None:
    """Progress that nobody watches."""


@contextlib.contextmanager
def started(node: NginxNode) -> Iterator[NginxNode]:
    node.start()
    try:
        yield node
    finally:
        node.stop()
