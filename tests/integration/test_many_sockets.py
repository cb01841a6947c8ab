"""Open WebSockets survive: 500 of 500 stay live through the reloads of an added and a removed route."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from collections.abc import AsyncIterator, Callable

import pytest
from support.command import Nginxws
from support.nginx import NginxNode
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import ServerConnection, serve

pytestmark = [pytest.mark.nginx, pytest.mark.sshd]

SOCKETS = 500
#: Handshakes under way at once: a listener's queue is short.
AT_ONCE = 50
#: Per socket: one here, two in the backend's process (which is this one), and room for the rest.
FILES = 3 * SOCKETS + 500

#: A hand-written WebSocket location, which the 500 use, beside the route that comes and goes.
SITE = (
    "server {{\n    listen 127.0.0.1:@PORT@;\n    server_name chat.example.com;\n"
    "    location /live/ {{\n        proxy_pass http://127.0.0.1:{port};\n        proxy_http_version 1.1;\n"
    "        proxy_set_header Upgrade $http_upgrade;\n"
    '        proxy_set_header Connection "upgrade";\n    }}\n}}\n'
)


@pytest.fixture
def many_files() -> None:
    """Enough file descriptors for this process and the NGINX that it starts."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < FILES:
        pytest.fail(f"this machine allows a process {hard} files only, {FILES} are needed")
    if soft < FILES:
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, hard))


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


@contextlib.asynccontextmanager
async def open_sockets(port: int) -> AsyncIterator[list[ClientConnection]]:
    few = asyncio.Semaphore(AT_ONCE)
    async with contextlib.AsyncExitStack() as stack:

        async def one() -> ClientConnection:
            async with few:
                near = socket.create_connection(("127.0.0.1", port))
                uri = f"ws://chat.example.com:{port}/live/"
                return await connect(uri, sock=near, ping_interval=None, proxy=None, compression=None)

        sockets = await asyncio.gather(*(one() for _ in range(SOCKETS)))
        for open_socket in sockets:
            stack.push_async_callback(open_socket.close)
        yield sockets


async def all_echo(sockets: list[ClientConnection], word: str) -> None:
    """Every socket gets its own words back."""

    async def one(number: int, open_socket: ClientConnection) -> bool:
        await open_socket.send(f"{word} {number}")
        return await asyncio.wait_for(open_socket.recv(), 20) == f"{word} {number}"

    answers = await asyncio.gather(*(one(n, s) for n, s in enumerate(sockets)), return_exceptions=True)
    lost = [answer for answer in answers if answer is not True]
    assert not lost, f"{word}: {len(lost)} of {len(sockets)} sockets are dead, the first one: {lost[0]!r}"


@pytest.mark.usefixtures("many_files")
@pytest.mark.parametrize("binary", ["debian", "wheel"], indirect=True)
def test_sockets_live_through_both_reloads(
    make_node: Callable[..., NginxNode], over_ssh: Callable[[NginxNode], Nginxws]
) -> None:
    async def run() -> None:
        async with serve(echo, "127.0.0.1", 0, ping_interval=None, compression=None) as server:
            backend = server.sockets[0].getsockname()[1]
            node = make_node(site=SITE.format(port=backend))
            nginxws, before = over_ssh(node), set(node.workers())
            async with open_sockets(node.port) as sockets:
                await all_echo(sockets, "before")
                added = await asyncio.to_thread(
                    nginxws, "add-route", "/ws/", f"127.0.0.1:{backend}", "--format", "json"
                )
                await all_echo(sockets, "between")
                (result,) = added.json["nodes"].values()
                assert result["workers"]["draining"] >= 1
                await asyncio.to_thread(nginxws, "remove-route", "/ws/")
                await all_echo(sockets, "after")
                draining = {pid for pid, drains in node.workers().items() if drains}
                assert draining <= before
                assert draining, "the sockets' own workers must be the ones from the start"

    asyncio.run(run())
