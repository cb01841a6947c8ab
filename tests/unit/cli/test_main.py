"""The command line as a whole: help, exit codes, the form of errors."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import click
import pytest

import nginxws as package
from nginxws.cli import COMMANDS, cli, main, run
from nginxws.cli.group import _is_broken
from nginxws.errors import ExitCode, Restored

Run = Callable[..., Any]
TAKING_NODES = ["add-route", "remove-route", "list-routes", "recover", "unlock"]


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def test_the_table_has_every_command(nginxws: Run) -> None:
    assert cli.list_commands(click.Context(cli)) == list(COMMANDS)
    assert cli.get_command(click.Context(cli), "nope") is None


def test_version(nginxws: Run) -> None:
    ran = nginxws("--version")
    assert (ran.code, ran.out) == (0, f"nginxws, version {package.__version__}\n")


def test_help_lists_every_command_with_the_words_of_the_table(nginxws: Run) -> None:
    for flag in ("--help", "-h"):
        ran = nginxws(flag)
        assert ran.code == 0
        plain = " ".join(ran.out.split())
        for name, (_module, text) in COMMANDS.items():
            assert f"{name} {text}" in plain


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command(nginxws: Run, name: str) -> None:
    ran = nginxws(name, "--help")
    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(f"Usage: nginxws {name} ")
    about = command(name).help or ""
    assert len(about.splitlines()[0]) > 20


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_help_and_a_variable(name: str) -> None:
    for option in command(name).params:
        if isinstance(option, click.Option):
            assert option.help, option
            assert str(option.envvar).startswith("NGINXWS_"), option
            assert option.show_envvar
            assert option.help.endswith((".", "]")), option


@pytest.mark.parametrize("name", TAKING_NODES)
def test_shared_options_are_everywhere(name: str) -> None:
    options = {word for option in command(name).params for word in option.opts}
    assert {"--node", "--ssh-config", "--sudo", "--nginx-conf", "--home", "--format", "-q", "-v"} <= options


def test_one_variable_means_one_thing() -> None:
    """Two commands that read the same variable call the option alike."""
    names: dict[str, set[str]] = {}
    for name in COMMANDS:
        for option in command(name).params:
            if isinstance(option, click.Option) and name != "probe":
                names.setdefault(str(option.envvar), set()).add(option.opts[0])
    assert {variable: found for variable, found in names.items() if len(found) > 1} == {}


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (["nope"], "No such command 'nope'.", "see `nginxws --help`"),
        (["add-rout"], "No such command 'add-rout'. Did you mean 'add-route'?", "see `nginxws --help`"),
        (["--nope"], "No such option", "see `nginxws --help`"),
        (["add-route"], "Missing argument 'PATH'.", "see `nginxws add-route --help`"),
        (["add-route", "/ws/"], "Missing argument 'BACKEND...'.", "see `nginxws add-route --help`"),
        (["render", "/ws/", "h:1", "--matc", "exact"], "--matc", "see `nginxws render --help`"),
        (["render", "/ws/", "h:1", "--header", "a"], "'a' isn't NAME=VALUE", "see `nginxws render --help`"),
        (["render", "/ws/", "h:1", "--header", "=a"], "'=a' isn't NAME=VALUE", "see `nginxws render --help`"),
        (["render", "/ws/", "h:1", "--read-timeout", "x"], "isn't a time", "see `nginxws render --help`"),
        (["render", "ws/", "h:1"], "doesn't start with '/'", "write it like /ws/"),
        (["remove-route", "/x", "--file", "/nowhere"], "does not exist", "see `nginxws remove-route --help`"),
    ],
)
def test_usage_errors(nginxws: Run, arguments: list[str], message: str, hint: str) -> None:
    ran = nginxws(*arguments)
    assert ran.code == 64
    assert ran.out == ""
    assert ran.err.startswith("error: ")
    assert message in ran.err
    assert f"hint: {hint}" in ran.err


def test_no_arguments_is_help(nginxws: Run) -> None:
    ran = nginxws()
    assert "Usage: nginxws" in ran.out + ran.err


def fails_with(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr(command("render"), "callback", fail)


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (Restored("bad", node="lb1", hint="mend it"), 4, "error: lb1: bad\nhint: mend it\n"),
        (click.Abort(), 130, "error: interrupted"),
        (KeyboardInterrupt(), 130, "error: interrupted"),
        (click.ClickException("odd"), 64, "error: odd\n"),
        (OSError(28, "No space left"), 1, "error: cannot go on: [Errno 28] No space left\nhint: "),
        (KeyError("x"), 1, "error: this is a bug of nginxws: KeyError: 'x'\n"),
    ],
)
def test_how_a_command_ends(
    nginxws: Run, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, words: str
) -> None:
    fails_with(monkeypatch, error)
    ran = nginxws("render", "/ws/", "h:1")
    assert ran.code == code
    assert ran.err.strip("\n").startswith(words.strip("\n"))


class Broken(io.StringIO):
    def flush(self) -> None:
        raise BrokenPipeError


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_the_reader_of_a_stream_went_away(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    hushed: list[bool] = []
    monkeypatch.setattr("nginxws.report.text.hush", lambda: hushed.append(True))
    monkeypatch.setattr(sys, name, Broken())
    fails_with(monkeypatch, BrokenPipeError())
    assert run(["render", "/ws/", "h:1"]) == ExitCode.DONE
    assert hushed == [True]


def test_a_system_without_poll(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("select.poll")
    assert not _is_broken(sys.stdout)


def test_a_stream_without_file() -> None:
    assert not _is_broken(io.StringIO())


def test_another_pipe_that_breaks_is_no_success(monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(monkeypatch, BrokenPipeError(32, "of a socket"))
    monkeypatch.setattr(sys, "stdout", sys.stdout)
    monkeypatch.setattr(sys, "stderr", sys.stderr)
    with pytest.raises(SystemExit) as caught:
        run(["render", "/ws/", "h:1"])
    assert caught.value.code == 1


def test_other_exits_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    fails_with(monkeypatch, SystemExit(9))
    with pytest.raises(SystemExit) as caught:
        run(["render", "/ws/", "h:1"])
    assert caught.value.code == 9


def test_main_exits_with_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C, SIGTERM and SIGHUP end a command alike, and nothing any more once its outcome is settled."""
    handlers = {"SIGINT": signal.default_int_handler, "SIGTERM": signal.SIG_DFL, "SIGHUP": signal.SIG_IGN}
    set_to: list[tuple[str, object]] = []
    monkeypatch.setattr("nginxws.cli.signals._installed", [])
    monkeypatch.setattr("signal.getsignal", lambda number: handlers[signal.Signals(number).name])
    monkeypatch.setattr("signal.signal", lambda number, to: set_to.append((signal.Signals(number).name, to)))
    with pytest.raises(SystemExit) as caught:
        main(["nope"])
    assert caught.value.code == 64
    ends, ignored = signal.default_int_handler, signal.SIG_IGN
    assert set_to == [("SIGINT", ends), ("SIGTERM", ends), ("SIGINT", ignored), ("SIGTERM", ignored)]


def python(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, timeout=60, check=False, env=environment
    )


def test_the_module_can_be_run() -> None:
    assert python("-m", "nginxws", "--version").stdout.startswith("nginxws, version ")


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_the_reader_went_away(monkeypatch: pytest.MonkeyPatch, unbuffered: str) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "nginxws", "--help"],
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (0, b"")


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["add-route", "--help"]])
def test_help_imports_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom nginxws.cli import run\n"
        f"run({arguments!r})\nprint('\\n'.join(sys.modules), file=sys.stderr)"
    )
    loaded = set(python("-c", code).stderr.split())
    assert "nginxws.cli" in loaded
    heavy = {
        "paramiko",
        "cryptography",
        "jinja2",
        "crossplane",
        "rich",
        "websockets",
        "asyncio",
        "asyncssh",
        "ssl",
    }
    assert loaded & heavy == set()


def test_no_ansi_codes_without_a_terminal(nginxws: Run) -> None:
    ran = nginxws("nope")
    assert not re.search(r"\x1b", ran.err)


def test_the_demo_says_where_it_can_run(nginxws: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nginxws.cli.demo.os", SimpleNamespace(name="nt"))
    ran = nginxws("demo", "--once")
    assert ran.code == 1
    assert ran.err == (
        "error: the demo runs NGINX and a POSIX shell\nhint: run it on Linux, macOS or in WSL\n"
    )


def test_what_imports_the_module_runs_nothing() -> None:
    assert vars(import_module("nginxws.__main__"))["main"] is main


@pytest.mark.parametrize(
    ("arguments", "asks"), [(["render", "/ws/", "h:1"], "recover"), (["env", "url"], "env status")]
)
def test_who_says_what_an_interruption_left(
    nginxws: Run, monkeypatch: pytest.MonkeyPatch, arguments: list[str], asks: str
) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("click.Context.invoke", interrupted)
    ran = nginxws(*arguments)
    assert ran.code == 130
    assert f"hint: `nginxws {asks}` says" in ran.err
