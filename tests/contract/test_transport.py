"""What every transport does, whatever it runs over. A new one joins by a line in ``TRANSPORTS``."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from typing import cast

import pytest
from support.sshd import SshdFactory

from nginxws.errors import ConnectionFailed
from nginxws.nodes.connect import SshOptions, connect
from nginxws.nodes.transport import STDERR_LIMIT, RemoteProcess, Target, Transport

TRANSPORTS = ["local", pytest.param("ssh", marks=pytest.mark.sshd)]
MANY = 5 * 1024 * 1024
SOON = 20.0  # seconds that nothing here should need


@pytest.fixture(params=TRANSPORTS)
def transport(request: pytest.FixtureRequest) -> Iterator[Transport]:
    if request.param == "local":
        target, options = Target.parse("local"), SshOptions()
    else:
        server = cast(SshdFactory, request.getfixturevalue("sshd"))()
        target, options = Target.parse("node"), SshOptions(config=server.config)
    with connect(target, options) as open_transport:
        yield open_transport


def python(transport: Transport, code: str, *words: str) -> RemoteProcess:
    return transport.run([sys.executable, "-c", code, *words])


def read_all(process: RemoteProcess) -> bytes:
    data = bytearray()
    while more := process.read(1 << 20, SOON):
        data += more
    return bytes(data)


def read_exactly(process: RemoteProcess, size: int) -> bytes:
    data = bytearray()
    while len(data) < size:
        more = process.read(size - len(data), SOON)
        assert more, f"ended after {len(data)} of {size} bytes"
        data += more
    return bytes(data)


def running(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped by its parent doesn't."""
    ps = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return ps.stdout.strip()[:1] not in ("", "Z")


def test_name_is_what_the_user_wrote(transport: Transport) -> None:
    assert transport.name in ("local", "node")


def test_input_comes_back(transport: Transport) -> None:
    process = transport.run(["cat"])
    process.write(b"hello")
    assert read_exactly(process, 5) == b"hello"
    process.write(b" again")
    process.close_stdin()
    assert read_all(process) == b" again"
    assert process.read(10, SOON) == b""
    assert process.wait(SOON) == 0


def test_every_byte_value_survives(transport: Transport) -> None:
    data = bytes(range(256)) * 3
    process = transport.run(["cat"])
    process.write(data)
    process.close_stdin()
    assert read_all(process) == data


@pytest.mark.parametrize(
    "words",
    [
        [
            "two words",
            "",
            "tab\there",
            "it's",
            '"quoted"',
            "$HOME",
            "a;b",
            "`id`",
            "a\nb",
            "*",
            "~",
            "\\",
            "-n",
            "!x",
        ],
        ["ünïcode", "\udcff\udc80 not UTF-8", "#no comment", "a=b", "{a,b}", "%h", "&", "|", ">x", "(", "\r"],
    ],
)
def test_words_arrive_as_they_are(transport: Transport, words: list[str]) -> None:
    code = "import json,os,sys; print(json.dumps([list(os.fsencode(w)) for w in sys.argv[1:]]))"
    process = python(transport, code, *words)
    arrived = [bytes(word) for word in json.loads(read_all(process))]
    assert arrived == [os.fsencode(word) for word in words]


def test_nul_in_a_word_is_refused(transport: Transport) -> None:
    with pytest.raises(ValueError, match="NUL"):
        transport.run(["echo", "a\0b"])


@pytest.mark.parametrize("status", [0, 1, 42, 255])
def test_exit_status(transport: Transport, status: int) -> None:
    process = transport.run(["sh", "-c", f"exit {status}"])
    assert process.wait(SOON) == status
    assert process.wait(SOON) == status


def test_death_by_signal_has_no_status(transport: Transport) -> None:
    assert transport.run(["exec", "sh", "-c", "kill -KILL $$"]).wait(SOON) in (None, 127, 137)
    assert python(transport, "import os; os.kill(os.getpid(), 9)").wait(SOON) in (None, 137)


def test_missing_program_is_127_and_says_so(transport: Transport) -> None:
    process = transport.run(["/no/such/program"])
    assert process.wait(SOON) == 127
    assert read_all(process) == b""
    assert b"/no/such/program" in process.stderr()


def test_stderr_is_kept_apart(transport: Transport) -> None:
    process = transport.run(["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert process.wait(SOON) == 3
    assert read_all(process) == b"out\n"
    assert process.stderr() == b"err\n"
    assert process.stderr() == b"err\n"


def test_flood_on_stderr_neither_blocks_nor_grows(transport: Transport) -> None:
    code = f"import sys; sys.stderr.buffer.write(b'e' * {4 * MANY}); print('done')"
    process = python(transport, code)
    assert read_all(process) == b"done\n"
    assert process.wait(SOON) == 0
    assert process.stderr() == b"e" * STDERR_LIMIT


def test_wait_alone_does_not_block_a_talkative_program(transport: Transport) -> None:
    process = python(transport, f"import sys; sys.stdout.write('x' * {4 * MANY})")
    assert process.wait(SOON) == 0
    assert read_all(process) == b"x" * (4 * MANY)


def test_big_both_ways_at_once(transport: Transport) -> None:
    # It writes everything before it reads anything: a writer that doesn't take output meanwhile hangs here.
    code = (
        "import sys; sys.stdout.buffer.write(b'o' * (3 * int(sys.argv[1]))); sys.stdout.flush(); "
        "print(len(sys.stdin.buffer.read()))"
    )
    process = python(transport, code, str(MANY))
    process.write(b"i" * MANY)
    process.close_stdin()
    assert read_all(process) == b"o" * (3 * MANY) + f"{MANY}\n".encode()
    assert process.wait(SOON) == 0


def test_read_times_out_and_goes_on(transport: Transport) -> None:
    process = transport.run(["cat"])
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        process.read(10, 0.1)
    assert 0.09 < time.monotonic() - begin < 5
    with pytest.raises(TimeoutError):
        process.read(10, 0)
    process.write(b"x")
    assert process.read(10, SOON) == b"x"


def test_read_gives_at_most_what_was_asked(transport: Transport) -> None:
    process = transport.run(["printf", "abcdef"])
    assert read_exactly(process, 2) == b"ab"
    assert len(process.read(3, SOON)) <= 3


def test_wait_times_out(transport: Transport) -> None:
    process = transport.run(["cat"])
    with pytest.raises(TimeoutError):
        process.wait(0.1)
    process.close_stdin()
    assert process.wait(SOON) == 0


def test_close_stdin_twice_and_no_write_after(transport: Transport) -> None:
    process = transport.run(["cat"])
    process.close_stdin()
    process.close_stdin()
    with pytest.raises(ValueError, match="close_stdin"):
        process.write(b"x")


def test_write_to_a_program_that_has_ended(transport: Transport) -> None:
    process = transport.run(["sh", "-c", "echo why >&2; exit 9"])
    assert process.wait(SOON) == 9
    with pytest.raises(ConnectionFailed, match="ended"):
        process.write(b"x" * MANY)
    assert process.stderr() == b"why\n"


def test_killed_program_sees_its_input_end(
    transport: Transport, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mark = tmp_path_factory.mktemp("kill") / "ended"
    process = transport.run(["sh", "-c", 'echo ready; cat >/dev/null; echo ended > "$1"', "sh", str(mark)])
    assert read_exactly(process, 6) == b"ready\n"
    process.kill()
    process.kill()
    assert process.read(10, SOON) == b""
    with pytest.raises((ConnectionFailed, ValueError)):
        process.write(b"x")
    deadline = time.monotonic() + SOON
    while not mark.exists():
        assert time.monotonic() < deadline, "the program never saw the end of its input"
        time.sleep(0.01)


def test_program_is_out_of_reach_of_our_terminal(transport: Transport) -> None:
    process = python(transport, "import os; print(os.getsid(0))")
    assert int(read_all(process)) != os.getsid(0)


def test_several_programs_at_once(transport: Transport) -> None:
    processes = [transport.run(["cat"]) for _ in range(4)]
    for number, process in enumerate(processes):
        process.write(b"%d" % number)
    for number, process in reversed(list(enumerate(processes))):
        assert process.read(10, SOON) == b"%d" % number


def test_dial_and_echo(transport: Transport, echo_port: int) -> None:
    stream = transport.dial("127.0.0.1", echo_port, SOON)
    stream.send(b"ping")
    assert stream.recv(100, SOON) == b"ping"
    with pytest.raises(TimeoutError):
        stream.recv(100, 0.05)
    with pytest.raises(TimeoutError):
        stream.recv(100, 0)
    stream.send(b"pong")
    assert stream.recv(2, SOON) == b"po"
    assert stream.recv(2, SOON) == b"ng"
    stream.close()
    stream.close()


def test_dial_carries_a_megabyte(transport: Transport, echo_port: int) -> None:
    data = os.urandom(1 << 20)
    stream = transport.dial("127.0.0.1", echo_port, SOON)
    sender = threading.Thread(target=stream.send, args=(data,))
    sender.start()
    back = bytearray()
    while len(back) < len(data):
        back += stream.recv(65536, SOON)
    sender.join(SOON)
    assert back == data
    stream.close()


def test_dialled_peer_closes(transport: Transport) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        stream = transport.dial("127.0.0.1", server.getsockname()[1], SOON)
        peer, _ = server.accept()
        peer.sendall(b"bye")
        peer.close()
        assert stream.recv(10, SOON) == b"bye"
        assert stream.recv(10, SOON) == b""
        stream.close()


def test_dial_refused(transport: Transport) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(ConnectionFailed, match=str(port)) as caught:
            transport.dial("127.0.0.1", port, SOON)
    assert caught.value.node == transport.name
    assert caught.value.hint


def test_closing_twice(transport: Transport) -> None:
    process = transport.run(["cat"])
    transport.close()
    transport.close()
    assert process.read(10, SOON) == b""


def test_close_leaves_no_thread_and_no_program(transport: Transport) -> None:
    process = python(transport, "import os,sys; os.write(1, b'%d' % os.getpid()); sys.stdin.read()")
    pid = int(process.read(20, SOON))
    before = threading.active_count()
    transport.close()
    deadline = time.monotonic() + SOON
    while running(pid):
        assert time.monotonic() < deadline, "the program is still there"
        time.sleep(0.01)
    assert threading.active_count() <= before
    assert not [thread for thread in threading.enumerate() if "paramiko" in type(thread).__module__]
