"""``--format ansible``: a playbook that needs nothing but ansible-core. Pure."""

from __future__ import annotations

import re
from typing import Any

from nginxws.environment.export.emitting import Note, Unsafe, emit
from nginxws.environment.export.heading import heading
from nginxws.environment.export.jobs import AppJob, Ask, BalancerJob, apps, balancers
from nginxws.environment.export.script import comment_lines, script
from nginxws.errors import InvalidInput
from nginxws.manifest.environment import AppEntry
from nginxws.manifest.model import NodeEntry
from nginxws.manifest.wanted import target

_USE = """
ansible-playbook environment.yml; --check --diff shows what would change. It brings its own inventory; a host
of the same name in yours wins. Host keys are checked as ansible.cfg and ssh_config say, as always.
The files are written by ansible.builtin.copy (backup, diff) and tested by nginx -t before the reload; every
route is proved by a real WebSocket handshake, with the balancer's own curl. If one fails, they are put back.
A managed block that was edited by hand stops it.
Not covered: one decision for all machines, history, rollback, routes that left the manifest, headers that a
server takes from an included file. `nginxws env up` does all that.
"""
#: Names that Ansible has a meaning of its own for.
_TAKEN = ("all", "ungrouped", "localhost")
_RUN = "{{ nginxws_script }}"


def export(ask: Ask) -> str:
    """The playbook. Raises InvalidInput where something of the manifest can't be said in it."""
    nodes, applications = balancers(ask), apps(ask)
    _refuse_names([*(job.name for job in nodes), *(job.wanted.name for job in applications)])
    text = heading(ask, _USE)
    plays: list[Any] = [_inventory(ask, nodes, applications)]
    plays += [_application(ask, job) for job in applications]
    plays += [_balancer(job) for job in nodes]
    head = "".join(f"# {line}".rstrip() + "\n" for line in comment_lines(text))
    return f"---\n{head}" + emit(plays)


def _refuse_names(names: list[str]) -> None:
    for name in names:
        if name in _TAKEN:
            raise InvalidInput(f"{name} means something else to Ansible", hint="rename it in the manifest")


def _inventory(ask: Ask, nodes: tuple[BalancerJob, ...], applications: tuple[AppJob, ...]) -> dict[str, Any]:
    hosts: list[tuple[str, NodeEntry | AppEntry]] = [
        *((job.name, ask.manifest.nodes[job.name]) for job in nodes),
        *((job.wanted.name, ask.manifest.apps[job.wanted.name]) for job in applications),
    ]
    return {
        "name": "The machines of the environment",
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": [
            {
                "name": f"Know {name}",
                "ansible.builtin.add_host": {"name": name, **_reach(name, entry)},
                "when": f"'{name}' not in groups['all']",
                "changed_when": False,
            }
            for name, entry in hosts
        ],
    }


def _reach(name: str, entry: NodeEntry | AppEntry) -> dict[str, Any]:
    """How Ansible reaches a machine, from what the manifest says of SSH."""
    reach = target(name, entry).removeprefix("ssh://")
    if reach == "local":
        return {"ansible_connection": "local", "ansible_host": "localhost"}
    user, at, host = reach.rpartition("@")
    found = re.fullmatch(r"\[(.*)\](?::([0-9]+))?|([^:]*):([0-9]+)", host)
    port = (found[2] or found[4]) if found else None
    plain = (found[1] or found[3]) if found else host
    said: dict[str, Any] = {"ansible_host": Unsafe(plain)}
    if at:
        said["ansible_user"] = Unsafe(user)
    if port:
        said["ansible_port"] = int(port)
    return said


def _command(action: Any, name: str) -> dict[str, Any]:
    return {"argv": ["/bin/sh", "-s", "--", action, name], "stdin": _RUN}


def _application(ask: Ask, job: AppJob) -> dict[str, Any]:
    name = job.wanted.name
    action = "{{ 'check' if ansible_check_mode else 'apply' }}"
    return {
        "name": f"The application {name}",
        "hosts": name,
        "gather_facts": False,
        "become": job.wanted.name in ask.manifest.apps and ask.manifest.apps[name].sudo,
        "vars": {"nginxws_script": Unsafe(script([], [job], f"The work of {name}."))},
        "tasks": [
            {
                "name": "Deploy, write the WebSocket address, restart, wait for the port",
                "ansible.builtin.command": _command(action, name),
                "check_mode": False,
                "register": "nginxws_done",
                "changed_when": "nginxws_done.stdout is search('change(d)?: ')",
            }
        ],
    }


def _balancer(job: BalancerJob) -> dict[str, Any]:
    name = job.name
    return {
        "name": f"The balancer {name}",
        "hosts": name,
        "gather_facts": False,
        "become": job.entry.sudo,
        "vars": {"nginxws_script": Unsafe(script([job], [], f"The work of {name}."))},
        "tasks": [*_install(job), *_edit(name)],
        "handlers": [
            {
                "name": "Reload NGINX",
                "ansible.builtin.command": _command("reload", name),
                "changed_when": True,
            }
        ],
    }


def _install(job: BalancerJob) -> list[dict[str, Any]]:
    if job.entry.install is None:
        return []
    package = {"name": ["nginx", "curl"], "state": "present"}
    return [{"name": "Install NGINX", "ansible.builtin.package": package}]


def _edit(name: str) -> list[Any]:
    write = {
        "name": "Write the configuration",
        "ansible.builtin.copy": {
            "dest": "{{ item.split(' ')[1] | b64decode }}",
            "content": "{{ item.split(' ')[2] | b64decode }}",
            "backup": True,
        },
        "loop": "{{ nginxws_plan.stdout_lines | select('match', 'file ') }}",
        "loop_control": {"label": "{{ item.split(' ')[1] | b64decode }}"},
        "register": "nginxws_written",
        "notify": "Reload NGINX",
    }
    test = {
        "name": "Test the configuration",
        "ansible.builtin.command": _command("test", name),
        "changed_when": False,
        "when": ["not ansible_check_mode", "nginxws_written is changed"],
    }
    prove = {
        "name": "Prove the routes by a WebSocket handshake",
        "ansible.builtin.command": _command("prove", name),
        "changed_when": False,
        "when": "not ansible_check_mode",
    }
    return [
        {
            "name": "Work out the edit",
            "ansible.builtin.command": _command("plan", name),
            "check_mode": False,
            "changed_when": False,
            "register": "nginxws_plan",
        },
        Note(
            "copy's own validate sees one file alone; nginx -t has to see the whole tree, with its includes."
        ),
        {
            "name": "Write, test, reload, prove",
            "block": [write, test, {"name": "Reload now", "ansible.builtin.meta": "flush_handlers"}, prove],
            "rescue": _take_back(name),
        },
    ]


def _take_back(name: str) -> list[dict[str, Any]]:
    results = "nginxws_written.results | default([]) | selectattr('changed')"
    put_back = {
        "name": "Put the old configuration back",
        "ansible.builtin.copy": {
            "src": "{{ item.backup_file }}",
            "dest": "{{ item.dest }}",
            "remote_src": True,
        },
        "loop": "{{ " + results + " | selectattr('backup_file', 'defined') }}",
        "loop_control": {"label": "{{ item.dest }}"},
    }
    remove = {
        "name": "Remove what wasn't there before",
        "ansible.builtin.file": {"path": "{{ item.dest }}", "state": "absent"},
        "loop": "{{ " + results + " | selectattr('backup_file', 'undefined') }}",
        "loop_control": {"label": "{{ item.dest }}"},
    }
    reload = {
        "name": "Reload the old configuration",
        "ansible.builtin.command": _command("reload", name),
        "when": "nginxws_written is changed",
    }
    fail = {
        "name": "Say that it failed",
        "ansible.builtin.fail": {"msg": "the change failed; the old configuration is back"},
    }
    return [put_back, remove, reload, fail]
