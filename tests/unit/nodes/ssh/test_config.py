"""ssh_config as OpenSSH reads it: ``ssh -G`` itself says what is right."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.sshd import need

from nginxws.errors import ConfigError
from nginxws.nodes.ssh.config import lookup, matches

COMPARED = ("hostname", "user", "port", "hostkeyalias", "proxyjump", "serveraliveinterval", "identityfile")


def told_by_ssh(path: Path, alias: str) -> dict[str, list[str]]:
    command = [need("ssh"), "-G", "-F", str(path), alias]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, list[str]] = {}
    for line in done.stdout.splitlines():
        keyword, _, value = line.partition(" ")
        found.setdefault(keyword, []).append(value)
    return found


def agree(path: Path, alias: str) -> dict[str, list[str]]:
    """What we read, after checking that ssh reads the same."""
    ours = {
        keyword: [setting.text for setting in found] for keyword, found in lookup(alias, file=path).items()
    }
    theirs = told_by_ssh(path, alias)
    for keyword in COMPARED:
        if keyword in ours:
            assert ours[keyword] == theirs.get(keyword), keyword
    silent = told_by_ssh(Path("/dev/null"), alias)
    for keyword in COMPARED:
        if keyword not in ours:
            assert theirs.get(keyword) == silent.get(keyword), keyword
    return ours


CASES = {
    "first value wins": "Host lb*\n User first\nHost lb1\n User second\n",
    "before any Host": "User everyone\nHost lb1\n User me\n",
    "equals sign": "Host=lb1\nUser=me\nPort = 2022\n",
    "quotes": 'Host "lb1"\n  User "me"\n  IdentityFile "/tmp/with space"\n',
    "single quotes": "Host lb1\n  IdentityFile '/tmp/it\"s'\n",
    "escapes": 'Host lb1\n  IdentityFile /tmp/a\\ b\n  IdentityFile "/tmp/a\\"b"\n  IdentityFile /tmp/a\\b\n',
    "comments": "# top\nHost lb1 # the first\n  User me # not you\n  IdentityFile /tmp/a#b\n",
    "tabs, case, CRLF": "HOST\tlb1\r\n\tuSeR\tme\r\n",
    "several files": "IdentityFile /tmp/a\nHost lb1\n IdentityFile /tmp/b\n IdentityFile /tmp/a\n",
    "negation": "Host * !lb1\n User no\nHost lb? !lb2\n User yes\n",
    "question mark": "Host lb?\n User me\n",
    "brackets aren't patterns": "Host lb[0-9]\n User no\n",
    "match host": "Match host lb1\n User me\nMatch host other\n Port 9\n",
    "match host is the real name": "Host lb1\n HostName real\nMatch host real\n User a\n",
    "match user": "User me\nMatch user me\n Port 9\nMatch user you\n Port 8\n",
    "match list and negation": "Match originalhost lb1,lb2 !user root\n Port 9\nMatch !host lb1\n User x\n",
    "match all": "Match all\n User me\n",
    "match exec": 'Match exec "test %n = lb1"\n User me\nMatch exec false\n Port 8\n',
    "match not exec": "Match exec false\n Port 8\nMatch !exec false\n Port 9\n",
    "match final": "Host lb1\n HostName real\nMatch final host real\n User late\nHost real\n Port 77\n",
    "match final keeps the first": "Host lb1\n User early\nMatch final all\n User late\n Port 78\n",
    "a name given in the final pass comes too late": "Match final all\n HostName real\n Port 78\n",
    "match canonical never without canonicalising": "Match canonical all\n User no\n",
    "jump and command, jump first": "ProxyJump hop\nProxyCommand nc %h %p\n",
    "jump and command, command first": "ProxyCommand nc %h %p\nProxyJump hop\n",
    "alias": "Host lb1\n HostKeyAlias balancer\n ServerAliveInterval 7\n",
}


@pytest.mark.parametrize("text", CASES.values(), ids=CASES.keys())
def test_agrees_with_ssh(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    for alias in ("lb1", "lb2", "real"):
        agree(path, alias)


def test_the_cases_tell_something(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(CASES["first value wins"])
    assert agree(path, "lb1")["user"] == ["first"]
    path.write_text(CASES["match exec"])
    assert agree(path, "lb1")["user"] == ["me"]
    path.write_text(CASES["match final"])
    assert agree(path, "lb1") == {"hostname": ["real"], "user": ["late"], "port": ["77"]}


_line = st.one_of(
    st.sampled_from(["Host lb1", "Host *", "Host lb? !lb2", "Host !lb1 *", "Match all", "Match host lb2"]),
    st.sampled_from(["Match user me", "Match !user me", "Match final all", "Match originalhost lb1", ""]),
    st.builds(
        "{} {}".format, st.sampled_from(["User", "HostName", "HostKeyAlias"]), st.sampled_from(["me", "lb2"])
    ),
    st.builds("  Port={}".format, st.integers(1, 65535)),
    st.builds("IdentityFile /tmp/{}".format, st.sampled_from("abc")),
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(_line, max_size=8))
def test_agrees_with_ssh_on_any_mix(tmp_path: Path, lines: list[str]) -> None:
    path = tmp_path / "config"
    path.write_text("\n".join(lines) + "\n")
    agree(path, "lb1")


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ('Host lb1\n  User "me\n', 2, "quotes"),
        ("\n\nHost\n", 3, "Host"),
        ("User\n", 1, "User"),
        ("Host lb1\n\n  ???\n", 3, "not a line"),
        ("Match host\n", 1, "without a value"),
        ("Match localnetwork 10.0.0.0/8\n", 1, "localnetwork"),
        ("Match nonsense x\n", 1, "nonsense"),
    ],
)
def test_broken_line_is_named(tmp_path: Path, text: str, line: int, word: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError, match=word) as caught:
        lookup("lb1", file=path)
    assert (caught.value.file, caught.value.line) == (str(path), line)
    assert caught.value.hint


def test_missing_named_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file") as caught:
        lookup("lb1", file=tmp_path / "nothing")
    assert caught.value.file == str(tmp_path / "nothing")


def test_include(tmp_path: Path) -> None:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d/10").write_text("User ten\nHost lb2\n Port 99\n")
    (tmp_path / "conf.d/20").write_text("User twenty\nPort 20\n")
    path = tmp_path / "config"
    path.write_text(f"Host lb1\n  Include {tmp_path}/conf.d/* {tmp_path}/nothing\nHost *\n  Port 5\n")
    assert agree(path, "lb1") == {"user": ["ten"], "port": ["20"]}
    assert agree(path, "lb2") == {"port": ["5"]}


def test_include_of_itself_ends(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(f"User me\nInclude {path}\n")
    with pytest.raises(ConfigError, match="nested"):
        lookup("lb1", file=path)


def test_users_own_file_with_relative_include(tmp_path: Path) -> None:
    ssh = tmp_path / ".ssh"
    (ssh / "more").mkdir(parents=True)
    (ssh / "config").write_text("Include more/*\nInclude ~/.ssh/extra\nUser late\n")
    (ssh / "more/a").write_text("User early\n")
    (ssh / "extra").write_text("Port 7\n")
    found = lookup("lb1", home=tmp_path)
    assert found["user"][0].text == "early"
    assert found["user"][0].file == str(ssh / "more/a")
    assert found["port"][0].text == "7"


def test_user_of_the_command_line_is_what_match_user_sees(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("Match user admin\n  Port 9\n")
    assert "port" in lookup("lb1", user="admin", file=path)
    assert "port" not in lookup("lb1", user="other", file=path)


@pytest.mark.parametrize(
    ("patterns", "value", "expected"),
    [
        (["*"], "anything", True),
        (["a*c"], "abc", True),
        (["a?c"], "ac", False),
        (["10.0.*", "!10.0.0.1"], "10.0.0.1", False),
        (["!x"], "y", False),
        (["a.c"], "abc", False),
        ([], "x", False),
    ],
)
def test_patterns(patterns: list[str], value: str, expected: bool) -> None:
    assert matches(patterns, value) is expected
