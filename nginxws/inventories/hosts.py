"""What the variables of an Ansible host mean for a node of ours. Pure.

Ansible's names and their precedence are those of its ssh connection plugin (``ansible-doc -t connection
ssh``): of two names for one thing, the one with ``ssh`` in it wins. ``nginxws_KEY`` is the key of a node
in the manifest. Passwords and keys' contents are never read.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from pydantic import ValidationError

from nginxws import validate
from nginxws.errors import InvalidInput, Problem
from nginxws.inventories.ansible import Host
from nginxws.manifest.model import NodeEntry
from nginxws.manifest.wording import in_our_words
from nginxws.printable import one_line

#: Prefix of our own variables.
OWN = "nginxws_"
_USER = re.compile(r"[A-Za-z0-9_.][A-Za-z0-9_.@+\\-]*\$?")  # as ``--node`` takes it
_SSH = ("ssh", "smart", "paramiko", "paramiko_ssh")
_ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")
_INSTEAD = "say it in ssh_config, and for this host nginxws_ssh: NAME, as ssh_config knows it"
# As Ansible reads them (its filter `bool`).
_TRUE = ("yes", "on", "1", "true", "y", "t")
_FALSE = ("no", "off", "0", "false", "n", "f")


@dataclass
class Meaning:
    """A host as a node: keys of its entry, its key file (``~`` isn't expanded), and all that is wrong."""

    keys: dict[str, Any] = field(default_factory=dict)
    identity: str = ""
    problems: list[Problem] = field(default_factory=list)


class _Unusable(Exception):
    """A variable has a value that can't be used; what it is is among the problems."""


def meaning_of(host: Host, said: Collection[str]) -> Meaning:
    """What a host's variables say of it, but for the keys that were ``said`` already, and labels.

    Where ``ssh`` was said, nothing of how Ansible reaches the host is read.
    """
    return _Reader(host).meaning(said)


def node_key(key: str, value: Any) -> Any:
    """A value as an entry of the manifest has it. Raises InvalidInput."""
    try:
        return getattr(NodeEntry.model_validate({key: value}), key)
    except ValidationError as error:
        raise in_our_words(error) from error


def boolean(value: Any) -> bool | None:
    """A truth value as Ansible reads it, None for what isn't one."""
    text = str(value).lower()
    return True if text in _TRUE else False if text in _FALSE else None


class _Reader:
    def __init__(self, host: Host) -> None:
        self.host = host
        self.found = Meaning()

    def meaning(self, said: Collection[str]) -> Meaning:
        keys = self.found.keys
        for key in self.own():
            if key not in said:
                keys |= self.tried(self.own_value, key)
        if "ssh" not in {*said, *keys}:
            keys |= self.tried(self.reach)
        if "sudo" not in {*said, *keys}:
            keys |= self.tried(self.become)
        return self.found

    def tried(self, read: Any, *arguments: str) -> dict[str, Any]:
        try:
            keys: dict[str, Any] = read(*arguments)
        except _Unusable:
            return {}
        return keys

    def wrong(self, variable: str, message: str, hint: str) -> _Unusable:
        line, host = self.host.line, one_line(self.host.name)
        self.found.problems.append(Problem(line, variable, f"{host}: {variable}: {message}", hint))
        return _Unusable()

    # --- our own -----------------------------------------------------------------------------

    def own(self) -> Iterator[str]:
        """Keys of a node that stand among the variables; a name that is nearly one is a mistake."""
        keys = [key for key in NodeEntry.model_fields if key != "labels"]
        ours = [name for name, value in self.host.variables.items() if name.startswith(OWN) and value != ""]
        for name in ours:
            key = name.removeprefix(OWN)
            if key in keys:
                yield key
            elif close := get_close_matches(key, keys, n=1, cutoff=0.8):
                self.wrong(name, "isn't a variable of ours", f"did you mean {OWN}{close[0]}?")

    def own_value(self, key: str) -> dict[str, Any]:
        name = OWN + key
        value = self.flag(name) if key == "sudo" else self.text(name)
        try:
            return {key: node_key(key, value)}
        except InvalidInput as error:
            hint = error.hint or "see `nginxws schema`"
            raise self.wrong(name, error.message, hint) from error

    # --- Ansible's ---------------------------------------------------------------------------

    def reach(self) -> dict[str, Any]:
        """``ssh``, and the key file."""
        connection = self.text("ansible_connection", "ssh").removeprefix("ansible.builtin.")
        if connection == "local":
            return {"ssh": "local"}
        if connection not in _SSH:
            message = f"{validate.shown(connection)} isn't a way to reach a node"
            raise self.wrong("ansible_connection", message, "nodes are reached by ssh or local")
        for name in _ARGUMENTS:
            if self.text(name):
                raise self.wrong(name, "options of ssh(1) aren't followed here", _INSTEAD)
        place = f"{self.user()}{self.address()}{self.port()}"
        self.found.identity = self.latest("ansible_private_key_file", "ansible_ssh_private_key_file")[1]
        return {"ssh": f"ssh://{place}"}

    def address(self) -> str:
        name, text = self.latest("ansible_host", "ansible_ssh_host")
        text = text or self.host.name
        address, percent, zone = text.partition("%") if ":" in text else (text, "", "")
        try:
            host = validate.host(f"[{address}]" if ":" in address else address, "the host")
        except InvalidInput as error:
            hint = f"{error.hint}; an alias can have any address: ansible_host"
            raise self.wrong(name or "its name", error.message, hint) from error
        if ":" not in address:
            return text  # as it was written: ssh_config compares names
        if percent and not re.fullmatch(r"[A-Za-z0-9._-]+", zone):
            raise self.wrong(name, f"{validate.shown(text)} isn't an IP address", "a zone is like eth0")
        return f"{host.removesuffix(']')}{percent}{zone}]"

    def user(self) -> str:
        name, text = self.latest("ansible_user", "ansible_ssh_user")
        if text and not _USER.fullmatch(text):
            raise self.wrong(name, f"{validate.shown(text)} isn't a user's name", "see ssh_config's User")
        return f"{text}@" if text else ""

    def port(self) -> str:
        name, text = self.latest("ansible_port", "ansible_ssh_port")
        try:
            return f":{validate.port(text, 'the port')}" if text else ""
        except InvalidInput as error:
            raise self.wrong(name, error.message, "write it like 22") from error

    def become(self) -> dict[str, Any]:
        """``sudo``."""
        if not self.flag("ansible_become"):
            return {}
        method = self.text("ansible_become_method", "sudo").removeprefix("ansible.builtin.")
        user = self.text("ansible_become_user", "root")
        if method != "sudo":
            message = f"{validate.shown(method)} isn't a way to become root here"
            raise self.wrong("ansible_become_method", message, "it can be sudo; or say nginxws_sudo: false")
        if user != "root":
            message = f"{validate.shown(user)} isn't root"
            raise self.wrong("ansible_become_user", message, "log in as that user, or become root")
        return {"sudo": True}

    # --- values ------------------------------------------------------------------------------

    def latest(self, *names: str) -> tuple[str, str]:
        """The last of these variables that has a value, and the value."""
        return next(((name, text) for name in reversed(names) if (text := self.text(name))), ("", ""))

    def text(self, name: str, usual: str = "") -> str:
        value = self.host.variables.get(name)
        if value is None or value == "":
            return usual
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise self.wrong(name, "must be text", "write the value itself; a vault can't be opened here")
        text = str(value)
        if "{{" in text or "{%" in text:
            hint = "`ansible-inventory --list` doesn't fill templates in: write the value itself"
            raise self.wrong(name, "holds a template", hint)
        if any(ord(char) < 32 or ord(char) == 127 for char in text):
            raise self.wrong(name, "holds a control character", "write it on one line")
        return text

    def flag(self, name: str) -> bool:
        value = self.host.variables.get(name, False)
        text = str(value) if isinstance(value, bool) else self.text(name, "false")
        found = boolean(text)
        if found is None:
            raise self.wrong(name, f"{validate.shown(text)} isn't a truth value", "write true or false")
        return found
