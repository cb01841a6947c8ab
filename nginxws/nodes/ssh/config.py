"""ssh_config(5) read as the OpenSSH client reads it: what applies to one host, and from which line.

Written here instead of using paramiko's reader because that one needs all of
paramiko imported (we connect meanwhile), knows no ``Include``, drops line
numbers, and passes over what it doesn't understand. Sources: ssh_config(5) and
readconf.c of OpenSSH 9.2. `lookup` gives raw words; ``ssh_settings.py`` gives them meaning.
"""

from __future__ import annotations

import getpass
import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from nginxws.errors import ConfigError

_MAX_DEPTH = 16  # readconf.c, READCONF_MAX_DEPTH
_KEYWORD = re.compile(r"\s*([A-Za-z][A-Za-z0-9]*)(?:\s*=\s*|\s+|$)(.*)", re.DOTALL)
_ACCUMULATING = frozenset({"identityfile", "certificatefile"})
_RAW = frozenset({"proxycommand", "localcommand", "remotecommand", "knownhostscommand"})
# In one file these two shut each other out: the first of them wins (readconf.c, oProxyJump).
_RIVALS = {"proxyjump": "proxycommand", "proxycommand": "proxyjump"}


@dataclass(frozen=True, slots=True)
class Setting:
    """One line that applies: its words, and where it stands."""

    words: tuple[str, ...]
    file: str
    line: int

    @property
    def text(self) -> str:
        return " ".join(self.words)

    def error(self, message: str, hint: str | None = None) -> ConfigError:
        return ConfigError(message, file=self.file, line=self.line, hint=hint)


@dataclass(slots=True)
class _Lookup:
    """State of one lookup; a second pass (for ``Match final``) keeps what the first one found."""

    alias: str
    user: str | None
    home: Path
    final: bool = False
    wants_final: bool = False
    found: dict[str, list[Setting]] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """The name that Host and Match host compare: as typed, or the real one in the final pass."""
        name = self.found.get("hostname")
        return name[0].text.replace("%h", self.alias) if name else self.alias

    @property
    def remote_user(self) -> str:
        user = self.found.get("user")
        return self.user or (user[0].text if user else getpass.getuser())

    def keep(self, keyword: str, setting: Setting) -> None:
        if self.final and keyword == "hostname":
            return  # ssh.c has settled the name before its second pass
        if keyword in _ACCUMULATING:
            known = self.found.setdefault(keyword, [])
            if all(setting.words != other.words for other in known):
                known.append(setting)
        elif keyword not in self.found and _RIVALS.get(keyword) not in self.found:
            self.found[keyword] = [setting]


def lookup(
    alias: str, *, user: str | None = None, file: Path | None = None, home: Path | None = None
) -> dict[str, list[Setting]]:
    """What ssh_config says about ``alias``: lower-case keyword to settings (one, or several for files).

    ``file`` replaces the user's and the system's files, and must exist. ``user`` is
    the name from the command line. Raises ConfigError with file and line.
    """
    home = home or Path.home()
    state = _Lookup(alias, user, home)
    defaults = [(home / ".ssh/config", False), (Path("/etc/ssh/ssh_config"), True)]
    sources = [(file, False)] if file else defaults
    for state.final in (False, True):
        for path, system in sources:
            if file or path.is_file():
                _read(path, state, depth=0, system=system)
        if not state.wants_final:
            break
    return state.found


def _read(path: Path, state: _Lookup, *, depth: int, system: bool) -> None:
    """Take what applies from one file; an Include is read only where it applies, so it starts applying."""
    active = True
    for keyword, setting in _settings(path):
        if keyword == "host":
            active = _host_applies(setting, state)
        elif keyword == "match":
            active = _match_applies(setting, state)
        elif active and keyword == "include":
            if depth == _MAX_DEPTH:
                raise setting.error("too many nested Include", _HINT)
            for included in _included(setting, state.home, system):
                _read(included, state, depth=depth + 1, system=system)
        elif active:
            state.keep(keyword, setting)


def _settings(path: Path) -> Iterator[tuple[str, Setting]]:
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as exc:
        raise ConfigError(f"can't read it: {exc.strerror}", file=str(path), hint=_HINT) from exc
    for number, line in enumerate(text.split("\n"), 1):
        keyword, setting = _parse_line(line, str(path), number)
        if keyword:
            yield keyword, setting


_HINT = "mend that line, or name another file with --ssh-config"


def _parse_line(line: str, file: str, number: int) -> tuple[str, Setting]:
    """Keyword in lower case (empty for blank lines and comments) and its words."""
    stripped = line.strip(" \t\r\f\n")
    where = Setting((), file, number)
    if not stripped or stripped.startswith("#"):
        return "", where
    match = _KEYWORD.fullmatch(stripped)
    if not match:
        raise where.error(f"not a line of ssh_config: {stripped[:60]!r}", _HINT)
    keyword, rest = match[1].lower(), match[2]
    words = (rest,) if keyword in _RAW else tuple(_words(rest, where))
    if not words or not any(words):
        raise where.error(f"{match[1]} without a value", _HINT)
    return keyword, Setting(words, file, number)


# misc.c, argv_split: inside quotes a backslash escapes quotes and itself, outside also a space.
_QUOTED = r"""(?:"(?P<double>(?:\\["'\\]|[^"])*+)"|'(?P<single>(?:\\["'\\]|[^'])*+)')"""
_PIECE = re.compile(_QUOTED + r"""|\\(?P<bare>["'\\ ])|(?P<plain>[^\s"'])""")


def _words(text: str, where: Setting) -> Iterator[str]:
    """Split into words, quotes and escapes resolved; a word that begins with # ends the line."""
    at = 0
    while at < len(text):
        if text[at] in " \t":
            at += 1
            continue
        if text[at] == "#":
            return
        word = ""
        while at < len(text) and text[at] not in " \t":
            piece = _PIECE.match(text, at)
            if not piece:
                raise where.error("unbalanced quotes", _HINT)
            word += _piece(piece)
            at = piece.end()
        yield word


def _piece(piece: re.Match[str]) -> str:
    quoted = piece["double"] if piece["double"] is not None else piece["single"]
    if quoted is not None:
        return re.sub(r"""\\(["'\\])""", r"\1", quoted)
    return piece["bare"] or piece["plain"]


def _included(setting: Setting, home: Path, system: bool) -> Iterator[Path]:
    base = Path("/etc/ssh") if system else home / ".ssh"
    for word in setting.words:
        pattern = str(home) + word[1:] if word.startswith("~/") else word
        for name in sorted(glob.glob(os.path.join(base, pattern))):  # noqa: PTH118, PTH207 (Path can't glob an absolute pattern)
            if Path(name).is_file():
                yield Path(name)


def matches(pattern_list: list[str], value: str) -> bool:
    """match_pattern_list of OpenSSH: any pattern with * and ?, and none with a leading ! that matches."""
    found = False
    for pattern in pattern_list:
        negated = pattern.startswith("!")
        if _glob(pattern.removeprefix("!")).fullmatch(value):
            if negated:
                return False
            found = True
    return found


def _glob(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression that is linear: a star but the last never tries a second place."""
    first, *stars = (re.escape(part).replace(r"\?", ".") for part in pattern.split("*"))
    atomic = "".join(f"(?>.*?{part})" for part in stars[:-1])
    return re.compile(first + atomic + "".join(f".*{part}" for part in stars[-1:]), re.DOTALL)


def _host_applies(setting: Setting, state: _Lookup) -> bool:
    return matches(list(setting.words), state.host if state.final else state.alias)


def _match_applies(setting: Setting, state: _Lookup) -> bool:
    words = list(setting.words)
    applies = True
    while words:
        criterion = words.pop(0)
        negated = criterion.startswith("!")
        name, equals, value = criterion.removeprefix("!").partition("=")
        name = name.lower()
        if name == "all":
            return applies and not negated
        if name in ("canonical", "final"):
            state.wants_final |= name == "final"
            result = state.final and name == "final"
        else:
            if not equals:
                if not words:
                    raise setting.error(f"Match {name} without a value", _HINT)
                value = words.pop(0)
            result = applies and _criterion(name, value, setting, state)
        applies = applies and result is not negated
    return applies


def _criterion(name: str, value: str, setting: Setting, state: _Lookup) -> bool:
    subject = {
        "host": lambda: state.host,
        "originalhost": lambda: state.alias,
        "user": lambda: state.remote_user,
        "localuser": getpass.getuser,
    }.get(name)
    if subject:
        return matches(value.split(","), subject())
    if name == "exec":
        return _exec(value, state)
    raise setting.error(
        f"'Match {name}' can't be followed here",
        "give the settings of this node in a file of its own and name it with --ssh-config",
    )


def _exec(command: str, state: _Lookup) -> bool:
    """Run ``Match exec``: the user's own command in the user's own file, as ssh(1) does."""
    import subprocess

    tokens = {"h": state.host, "n": state.alias, "r": state.remote_user, "u": getpass.getuser(), "%": "%"}
    tokens |= {"d": str(state.home), "p": state.found["port"][0].text if "port" in state.found else "22"}
    text = re.sub("%(.)", lambda found: tokens.get(found[1], found[0]), command)
    silent = subprocess.DEVNULL
    done = subprocess.run(  # nosec B602  # noqa: S602 (ssh_config(5): a shell runs it)
        text, shell=True, stdin=silent, stdout=silent, check=False
    )
    return done.returncode == 0
