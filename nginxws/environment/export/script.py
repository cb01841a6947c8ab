"""The POSIX script that does an environment's work on a machine without nginxws, from ``parts/``. Pure.

No text in it holds ``${``: in a Cloud Scripting manifest that begins a placeholder.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from nginxws.environment.export.jobs import AppJob, BalancerJob, Proof, RouteJob, in_lines
from nginxws.environment.export.quoting import comment, here, word, words
from nginxws.environment.wanted import WantedFile

CONF = "/etc/nginx/nginx.conf"


@dataclass(frozen=True, slots=True)
class Knobs:
    """What formats do differently.

    ``patience``: how often a route is tried, some tenths of a second apart. ``lenient``: a route without
    proof stays. ``fill``: a text that is replaced by itself in the files of a release that hold an address:
    whoever passes the script on has put something else in its place. ``proves``: routes are proved.
    ``waits``: the application's port is waited for.
    """

    patience: int = 50
    lenient: bool = False
    fill: str = ""
    proves: bool = True
    waits: bool = True


def script(
    balancers: Iterable[BalancerJob],
    applications: Iterable[AppJob],
    heading: str,
    knobs: Knobs | None = None,
) -> str:
    """The whole script. ``heading`` is what its comment says.

    Raises InvalidInput where something of the manifest can't stand in a script.
    """
    knobs = knobs or Knobs()
    nodes, apps = tuple(balancers), tuple(applications)
    parts = ["#!/bin/sh", *(f"# {line}".rstrip() for line in comment_lines(heading)), _part("head.sh")]
    if nodes:
        parts += [_part("balancer.sh"), _part("prove.sh")]
    if apps:
        parts.append(_part("application.sh"))
    parts += [*(_balancer(number, job, knobs) for number, job in enumerate(nodes))]
    parts += [*(_application(number, job, knobs) for number, job in enumerate(apps))]
    return "\n".join([*parts, _part("main.sh"), _dispatch(nodes, apps)]) + "\n"


def comment_lines(text: str) -> list[str]:
    """The lines of a comment, made harmless."""
    return [comment(line) for line in text.split("\n")]


@cache
def _part(name: str) -> str:
    folder = files(__package__) / "parts"
    text = (folder / name).read_text("utf-8").rstrip("\n")
    for program in ("edit.awk", "headers.awk"):
        if f"@@{program}@@" in text:
            text = text.replace(f"@@{program}@@", (folder / program).read_text("utf-8").rstrip("\n"))
    return text


def _balancer(number: int, job: BalancerJob, knobs: Knobs) -> str:
    entry = job.entry
    site = "" if job.site is None else site_text(*job.site)
    lines = [
        f"\nbalancer_{number}() {{",
        f"nginx={word(entry.nginx_bin or 'nginx')} conf={word(entry.nginx_conf or CONF)}",
        f"reload_command={word(entry.reload_command or '')} prove_tries={knobs.patience}",
        f"site={word(site)}",
        "begin_balancer",
    ]
    for block_id, text in job.shared:
        lines.append(f"shared {word(block_id)} {here(text)}")
    for one in job.routes:
        route_id = f"route {one.route.path}"
        lines.append(f"route {words(route_id, one.server or '-', one.own)} {here(one.rendered.location)}")
    lines += ["finish_balancer", "}", f"prove_routes_{number}() {{"]
    lines += [line for one in job.routes for line in _prove(one, one.proof, knobs) if knobs.proves]
    return "\n".join([*lines, ":", "}"])


def site_text(name: str, port: int) -> str:
    """The server block that is written where there is none: for its name, on its port, on every address."""
    return f"server {{\n    listen {port};\n    server_name {name};\n}}"


def _prove(one: RouteJob, proof: Proof | None, knobs: Knobs) -> list[str]:
    if proof is None:
        return [f"say {word(f'not proved: {one.route.path}: the manifest says no address to try')}"]
    must = "yes" if proof.must and not knobs.lenient else "no"
    options = [text for name, value in proof.headers for text in ("-H", f"{name}: {value}")]
    place = words(one.server or "-", proof.host or "-", proof.path, str(proof.expected), must)
    return [" ".join(["prove", place, *([words(*options)] if options else [])])]


def _application(number: int, job: AppJob, knobs: Knobs) -> str:
    wanted = job.wanted
    lines = [
        f"\napplication_{number}() {{",
        f"service={word(wanted.service or '')}",
        f"restart={word(wanted.restart or '')}",
        "begin_application",
    ]
    if job.release is not None:
        assert wanted.target is not None, "the model wants a target with a source"
        place = words(wanted.target, job.release.name, str(wanted.keep))
        lines.append(f"release {place} {here(in_lines(job.release))}")
    lines += [_address(one) for one in job.on_node]
    ready = words(wanted.host, str(wanted.port), str(wanted.ready_timeout if knobs.waits else 0))
    lines += [f"finish_application {ready}", "}", f"fill_{number}() {{"]
    for path, held in job.places.items():
        if knobs.fill and knobs.fill in held.value:
            file = f'"$1"/{word(path)}'
            # The text is broken in two, so that what replaces it elsewhere leaves it here.
            text = f"{knobs.fill[:4]}''{knobs.fill[4:]}"
            lines.append(f'swap {file} {text} {word(knobs.fill)} >/dev/null; put {file} "$work/swapped"')
    return "\n".join([*lines, ":", "}"])


def _address(one: WantedFile) -> str:
    assert one.placeholder is not None, "patterns are refused before"
    return f"address {words(one.on_node, one.placeholder.decode(), one.value)}"


def _dispatch(nodes: tuple[BalancerJob, ...], apps: tuple[AppJob, ...]) -> str:
    """The last lines: which machine's work is meant."""
    names = [*(job.name for job in nodes), *(job.wanted.name for job in apps)]
    lines = [f'[ -n "$job" ] || job={word(names[0])}'] if len(names) == 1 else []
    lines.append("case $job in")
    for number, job in enumerate(nodes):
        lines.append(f"    {word(job.name)})\n        prove_routes() {{ prove_routes_{number}; }}")
        lines.append(f"        balancer_{number}\n        ;;")
    for number, one in enumerate(apps):
        lines.append(f'    {word(one.wanted.name)})\n        fill_release() {{ fill_{number} "$@"; }}')
        lines.append(f"        application_{number}\n        ;;")
    lines.append(f"    *) die {word('say which machine this is: ' + ', '.join(names))} ;;")
    return "\n".join([*lines, "esac"])
