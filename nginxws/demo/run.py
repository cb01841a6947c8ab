"""``nginxws demo``: a balancer, an application, and nginxws between them, on one machine.

Everything lives in one temporary folder and on loopback. Whatever happens, also
Ctrl-C, TERM and a closed terminal, leaves no process and no file behind.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import webbrowser
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Final

from nginxws.demo import balancer, chat, clients, sshserver
from nginxws.demo.narrator import Narrator
from nginxws.demo.processes import Interrupts, end
from nginxws.demo.stage import Stage, prepare
from nginxws.errors import Interrupted, NginxwsError

COMMAND_STOP_TIMEOUT: Final = 10.0  # seconds; when its client is gone the node puts itself back


@dataclass(frozen=True, slots=True)
class Options:
    """``once``: two clients talk, the route is removed, and it ends. ``port`` 0 is any free one."""

    once: bool = False
    open_browser: bool = False
    port: int = 0
    nginx_bin: Path | None = None


def run(options: Options) -> None:
    """Run the demo to its end.

    Raises:
        NginxwsError: something wasn't as it should be, or a part is missing here.
        Interrupted: stopped by a signal before the page was up; later that is the normal end.
    """
    asyncio.run(_run(options, Narrator()))


async def _run(options: Options, narrator: Narrator) -> None:
    with Interrupts() as interrupts:
        async with AsyncExitStack() as cleanup:
            stage = await interrupts.run(prepare(cleanup, options.nginx_bin, options.port))
            await interrupts.run(_introduce(stage, narrator))
            before = stage.balancer.digests()
            await interrupts.run(_add_route(stage, narrator))
            if options.once:
                await interrupts.run(talk(stage, narrator))
                await interrupts.run(_remove_route(stage, narrator, before))
            else:
                await stay(stage, narrator, interrupts, options.open_browser)


async def _introduce(stage: Stage, narrator: Narrator) -> None:
    """Say what there is, and see that the chat doesn't work without a route."""
    node = stage.balancer
    narrator.step("A balancer, and an application behind it")
    narrator.fact("balancer", f"{stage.page}  (NGINX {node.binary.version}, {node.binary.path})")
    narrator.fact(
        "its SSH", f"{stage.ssh.user}@{sshserver.HOST}:{stage.ssh.port}  (called {sshserver.ALIAS})"
    )
    narrator.fact("application", f"{balancer.HOST}:{stage.application}  (a chat)")
    narrator.fact("all files", str(stage.folder))
    narrator.step("Without a WebSocket route the chat doesn't work")
    status = await clients.handshake_status(stage.websocket)
    if status is None or status == HTTPStatus.SWITCHING_PROTOCOLS:
        raise unexpected(stage, f"without a route {stage.websocket} answers {_status(status)}")
    narrator.bad(f"{stage.websocket} answers {_status(status)}: NGINX doesn't pass the Upgrade header on")


async def _add_route(stage: Stage, narrator: Narrator) -> None:
    """Let nginxws add the route, and see that it works."""
    site = stage.balancer.site
    before = site.read_text()
    narrator.step("nginxws adds the route, over SSH")
    backend = f"{balancer.HOST}:{stage.application}"
    await nginxws(stage, narrator, "add-route", chat.WS_PATH, backend, *stage.target, "--yes", "--verbose")
    narrator.step(f"What that changed on the balancer, in {site.name}")
    narrator.diff(before, site.read_text(), str(site.relative_to(stage.folder)))
    status = await clients.handshake_status(stage.websocket)
    if status != HTTPStatus.SWITCHING_PROTOCOLS:
        raise unexpected(stage, f"with the route {stage.websocket} answers {_status(status)}")
    narrator.good(f"{stage.websocket} answers {_status(status)}")


async def talk(stage: Stage, narrator: Narrator) -> None:
    """Two people join through the balancer and hear each other."""
    narrator.step("Two people talk through the balancer")
    async with clients.join(stage.websocket, "Ada") as ada, clients.join(stage.websocket, "Grace") as grace:
        narrator.fact("here", ", ".join(grace.people))
        for speaker, listener, text in (
            (ada, grace, "Hello Grace, can you read this?"),
            (grace, ada, "Word for word, Ada."),
        ):
            await speaker.say(text)
            for person in (speaker, listener):  # everybody hears everything, also what they said themselves
                heard = await person.hear()
                if heard != (speaker.name, text):
                    raise unexpected(stage, f"{person.name} heard {heard} instead of {(speaker.name, text)}")
            narrator.good(f"{speaker.name} → {listener.name}: {text}")


async def _remove_route(stage: Stage, narrator: Narrator, before: dict[str, str]) -> None:
    """Let nginxws take the route out, and see that every byte of the configuration is as it was."""
    narrator.step("nginxws takes the route out again")
    await nginxws(stage, narrator, "remove-route", chat.WS_PATH, *stage.target, "--yes", "--verbose")
    after = stage.balancer.digests()
    changed = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    if changed:
        raise unexpected(stage, f"the configuration isn't as at the start: {', '.join(changed)}")
    narrator.step("The configuration is as at the start")
    for name, digest in after.items():
        narrator.good(f"{name}  sha256 {digest}")
    if await clients.handshake_status(stage.websocket) == HTTPStatus.SWITCHING_PROTOCOLS:
        raise unexpected(stage, f"{stage.websocket} still answers 101 without its route")


async def stay(stage: Stage, narrator: Narrator, interrupts: Interrupts, open_browser: bool) -> None:
    """Keep everything running until a signal comes."""
    narrator.step(f"The chat is at {stage.page}")
    narrator.text("Open it in two windows. From another terminal the balancer can be worked on:")
    narrator.command(("nginxws", "list-routes", *stage.target))
    narrator.text("Ctrl-C ends the demo; nothing stays behind.")
    if open_browser and sys.stdout.isatty():
        await asyncio.to_thread(webbrowser.open, stage.page)
    with suppress(Interrupted):
        status = await interrupts.run(stage.balancer.process.wait())
        raise unexpected(stage, f"NGINX has ended, with status {status}")


async def nginxws(stage: Stage, narrator: Narrator, *arguments: str, folder: Path | None = None) -> None:
    """Run our own command as a user would, in ``folder`` (without: a bare one), its output on our terminal.

    Raises:
        NginxwsError: it failed; its own words are on the terminal already.
    """
    narrator.command(("nginxws", *arguments))
    sys.stdout.flush()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "nginxws", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        cwd=folder or stage.folder / "home",  # out of reach of any nginxws.toml of the user's
        env=_environment(),
        start_new_session=True,
    )
    try:
        status = await process.wait()
    except asyncio.CancelledError:
        narrator.cut_off()
        raise
    finally:
        await end(process, signal.SIGTERM, COMMAND_STOP_TIMEOUT)
    if status != 0:
        raise NginxwsError(
            f"nginxws {arguments[0]} ended with exit code {status}", hint="its words stand above"
        )


def _environment() -> dict[str, str]:
    """Ours without the user's NGINXWS_ settings, and with the modules that we were loaded from."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("NGINXWS_")}
    return {**kept, "PYTHONPATH": os.pathsep.join(str(Path(entry).absolute()) for entry in sys.path)}


def unexpected(stage: Stage, message: str) -> NginxwsError:
    """An error with what NGINX complained of, as its logs are about to go."""
    return NginxwsError(message, hint=clients.REPORT, detail=stage.balancer.complaints())


def _status(code: int | None) -> str:
    return "nothing" if code is None else f"{code} {HTTPStatus(code).phrase}"
