"""What ssh_config means for one connection: names, files, trust and limits, checked and expanded."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from nginxws.errors import InvalidInput
from nginxws.nodes.connect import SshOptions
from nginxws.nodes.ssh.certificates import CA_ALGORITHMS
from nginxws.nodes.ssh.config import Setting, lookup, matches
from nginxws.nodes.transport import Target

_MAX_HOPS = 8
_DEFAULT_KEYS = ("id_rsa", "id_ecdsa", "id_ecdsa_sk", "id_ed25519", "id_ed25519_sk")  # ssh_config(5)
_Found = Mapping[str, list[Setting]]


class Trust(StrEnum):
    """What becomes of a host key that no known_hosts file has. A changed key is always refused."""

    STRICT = "strict"  # yes, ask (nobody is asked: refused with the fingerprint), and no, off (see below)
    ACCEPT_NEW = "accept-new"


@dataclass(frozen=True, slots=True)
class HostSettings:
    """One hop. ``name`` is what errors call it, ``alias`` what ssh_config was asked for. Times in seconds.

    ``jumps`` are the hops in front of this one, outermost first.
    ``agent`` is the socket of the SSH agent, None for no agent.
    """

    name: str
    alias: str
    host: str
    port: int
    user: str
    known_as: str
    trust: Trust
    known_hosts: tuple[Path, ...]
    global_known_hosts: tuple[Path, ...]
    revoked_keys: Path | None
    identity_files: tuple[Path, ...]
    identities_given: bool
    certificate_files: tuple[Path, ...]
    identities_only: bool
    agent: str | None
    host_key_algorithms: tuple[str, ...]
    ca_algorithms: tuple[str, ...]
    hash_known_hosts: bool
    check_address: bool
    connect_timeout: float
    alive_interval: int
    alive_count: int
    family: int
    proxy_command: str | None
    jumps: tuple[HostSettings, ...] = ()

    @property
    def place(self) -> str:
        """``host:port`` for messages."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def resolve(target: Target, options: SshOptions, *, home: Path | None = None) -> HostSettings:
    """Settings for ``target`` and for every hop before it.

    Raises ConfigError, with file and line, for what ssh_config says and we can't do.
    """
    return _resolve(target, options, home or Path.home(), depth=0)


def _resolve(target: Target, options: SshOptions, home: Path, *, depth: int) -> HostSettings:
    found = lookup(target.host, user=target.user, file=options.config, home=home)
    hop = _host(target, found, options, home)
    if options.identity is not None and depth == 0:  # as `ssh -i`: for the node itself alone
        others = hop.identity_files if hop.identities_given else ()
        hop = replace(hop, identity_files=(options.identity, *others), identities_given=True)
    words = _jump_words(found)
    if not words:
        return hop
    setting = found["proxyjump"][0]
    if depth == _MAX_HOPS:
        raise setting.error("ProxyJump goes round in circles", f"see what 'ssh -G {target.host}' says")
    targets = [_jump_target(word, setting) for word in words]
    # As ssh(1): only the first hop follows its own ProxyJump or ProxyCommand, the others come through it.
    first = _resolve(targets[0], options, home, depth=depth + 1)
    jumps = [*first.jumps, replace(first, jumps=())]
    for other in targets[1:]:
        described = lookup(other.host, user=other.user, file=options.config, home=home)
        jumps.append(replace(_host(other, described, options, home), proxy_command=None))
    return replace(hop, jumps=tuple(jumps))


def _jump_words(found: _Found) -> list[str]:
    setting = found.get("proxyjump")
    if not setting or setting[0].text.lower() == "none":
        return []
    return [word.strip() for word in setting[0].text.split(",")]


def _jump_target(word: str, setting: Setting) -> Target:
    try:
        return replace(Target.parse(word if word.startswith("ssh://") else f"ssh://{word}"), text=word)
    except InvalidInput as exc:
        hint = "write [user@]host[:port], several with commas"
        raise setting.error(f"bad ProxyJump {word!r}", hint) from exc


def _refuse_unsupported(found: _Found) -> None:
    """Settings that would change whom we trust or whom we talk to are never passed over."""
    own_file = "put this node's settings in a file of their own and name it with --ssh-config"
    for keyword, harmless in (("canonicalizehostname", ("no", "none")), ("proxyusefdpass", ("no",))):
        setting = found.get(keyword)
        if setting and setting[0].text.lower() not in harmless:
            raise setting[0].error(f"{keyword} {setting[0].text} can't be followed here", own_file)


def _host(target: Target, found: _Found, options: SshOptions, home: Path) -> HostSettings:
    _refuse_unsupported(found)
    host = _first(found, "hostname", target.host).replace("%h", target.host).replace("%%", "%")
    port = target.port or _number(found, "port", 22, 65535)
    user = target.user or _first(found, "user", "") or getpass.getuser()
    alias = _first(found, "hostkeyalias", "")
    expand = _Expander(target.host, host, port, user, alias or host, home)
    given = _paths(found, "identityfile", expand)
    return HostSettings(
        name=target.text,
        alias=target.host,
        host=host,
        port=port,
        user=user,
        known_as=alias.lower() or (host.lower() if port == 22 else f"[{host.lower()}]:{port}"),
        trust=_trust(found, options),
        known_hosts=_known(found, "userknownhostsfile", expand, "~/.ssh/known_hosts"),
        global_known_hosts=_known(found, "globalknownhostsfile", expand, "/etc/ssh/ssh_known_hosts"),
        revoked_keys=next(iter(_paths(found, "revokedhostkeys", expand)), None),
        identity_files=given if given or "identityfile" in found else _default_keys(home),
        identities_given=bool(given),
        certificate_files=_paths(found, "certificatefile", expand),
        identities_only=_flag(found, "identitiesonly"),
        agent=_agent(found, expand),
        host_key_algorithms=_algorithms(found, "hostkeyalgorithms"),
        ca_algorithms=_ca_algorithms(found),
        hash_known_hosts=_flag(found, "hashknownhosts"),
        check_address=_flag(found, "checkhostip") and not alias and "proxycommand" not in found,
        connect_timeout=options.connect_timeout or _number(found, "connecttimeout", 15, 86400) or 15,
        alive_interval=_number(found, "serveraliveinterval", 15, 86400),
        alive_count=_number(found, "serveralivecountmax", 3, 1000),
        family=_family(found),
        proxy_command=_proxy_command(found, expand),
    )


class _Expander:
    """``~``, ``%`` tokens and ``${ENV}`` (ssh_config(5), TOKENS and ENVIRONMENT VARIABLES)."""

    def __init__(self, alias: str, host: str, port: int, user: str, known_as: str, home: Path) -> None:
        self._home = str(home)
        self._tokens: dict[str, Callable[[], str]] = {
            "%": lambda: "%",
            "d": lambda: self._home,
            "h": lambda: host,
            "i": lambda: str(os.getuid()) if hasattr(os, "getuid") else "",
            "k": lambda: known_as,
            "L": lambda: socket.gethostname().partition(".")[0],
            "l": socket.gethostname,
            "n": lambda: alias,
            "p": lambda: str(port),
            "r": lambda: user,
            "u": getpass.getuser,
        }

    def text(self, text: str, setting: Setting) -> str:
        def token(match: re.Match[str]) -> str:
            if match[1] not in self._tokens:
                raise setting.error(f"unknown token %{match[1]} in {text!r}", "write the path out")
            return self._tokens[match[1]]()

        return re.sub("%(.?)", token, text)

    def path(self, text: str, setting: Setting) -> Path:
        def variable(match: re.Match[str]) -> str:
            if match[1] not in os.environ:
                hint = "set it, or write the path out"
                raise setting.error(f"environment variable {match[1]} isn't set", hint)
            return os.environ[match[1]]

        if text == "~" or text.startswith("~/"):
            text = self._home.replace("%", "%%") + text[1:]
        return Path(re.sub(r"\$\{([^}]*)\}", variable, self.text(text, setting))).expanduser()


def _first(found: _Found, keyword: str, default: str) -> str:
    return found[keyword][0].text if keyword in found else default


def _number(found: _Found, keyword: str, default: int, top: int) -> int:
    if keyword not in found:
        return default
    setting = found[keyword][0]
    seconds = setting.text.lower().removesuffix("s")
    if keyword == "connecttimeout" and seconds == "none":
        return default
    if not (seconds.isascii() and seconds.isdigit() and int(seconds) <= top):
        raise setting.error(f"bad {keyword} {setting.text!r}", f"a number up to {top}")
    return int(seconds)


def _flag(found: _Found, keyword: str) -> bool:
    if keyword not in found:
        return False
    setting = found[keyword][0]
    if setting.text.lower() not in ("yes", "true", "no", "false"):
        raise setting.error(f"bad {keyword} {setting.text!r}", "yes or no")
    return setting.text.lower() in ("yes", "true")


def _paths(found: _Found, keyword: str, expand: _Expander) -> tuple[Path, ...]:
    return tuple(
        expand.path(word, setting)
        for setting in found.get(keyword, ())
        for word in setting.words
        if word.lower() != "none"
    )


def _known(found: _Found, keyword: str, expand: _Expander, default: str) -> tuple[Path, ...]:
    if keyword in found:
        return _paths(found, keyword, expand)
    return tuple(expand.path(word, Setting((word,), "", 0)) for word in (default, f"{default}2"))


def _default_keys(home: Path) -> tuple[Path, ...]:
    return tuple(home / ".ssh" / name for name in _DEFAULT_KEYS)


def _trust(found: _Found, options: SshOptions) -> Trust:
    value = _first(found, "stricthostkeychecking", "ask").lower()
    if value not in ("yes", "true", "no", "false", "off", "ask", "accept-new"):
        setting = found["stricthostkeychecking"][0]
        raise setting.error(f"bad StrictHostKeyChecking {value!r}", "yes, ask or accept-new")
    # To ssh(1), 'no' and 'off' mean not to look. We always do: who trusts at first sight says accept-new.
    new = options.accept_new or value == "accept-new"
    return Trust.ACCEPT_NEW if new and not options.strict else Trust.STRICT


def _agent(found: _Found, expand: _Expander) -> str | None:
    if "identityagent" not in found:
        return os.environ.get("SSH_AUTH_SOCK")
    setting = found["identityagent"][0]
    if setting.text.lower() == "none":
        return None
    if setting.text == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK")
    if setting.text.startswith("$") and not setting.text.startswith("${"):
        return os.environ.get(setting.text[1:])
    return str(expand.path(setting.text, setting))


def _algorithms(found: _Found, keyword: str) -> tuple[str, ...]:
    """The plain list form; the +, - and ^ forms edit ssh's own default list, which isn't ours."""
    text = _first(found, keyword, "+")
    return () if text[:1] in "+-^" else tuple(text.split(","))


def _ca_algorithms(found: _Found) -> tuple[str, ...]:
    """Fewer than the default ones if so configured, never others."""
    allowed = _algorithms(found, "casignaturealgorithms") or CA_ALGORITHMS
    text = _first(found, "casignaturealgorithms", "+")
    refused = text[1:].split(",") if text.startswith("-") else []
    return tuple(name for name in CA_ALGORITHMS if name in allowed and not matches(refused, name))


def _family(found: _Found) -> int:
    families = {"any": socket.AF_UNSPEC, "inet": socket.AF_INET, "inet6": socket.AF_INET6}
    value = _first(found, "addressfamily", "any").lower()
    if value not in families:
        raise found["addressfamily"][0].error(f"bad AddressFamily {value!r}", "any, inet or inet6")
    return int(families[value])


def _proxy_command(found: _Found, expand: _Expander) -> str | None:
    if "proxycommand" not in found or _first(found, "proxycommand", "").lower() == "none":
        return None
    setting = found["proxycommand"][0]
    return expand.text(setting.text, setting)
