"""A conversation with the node script (``script/``): one exec, requests in, frames out.

A frame is ``@KIND LENGTH\\n``, LENGTH bytes, ``\\n``. Everything a node sends is bounded in size and time
(``limits.py``), held against what the script can say (``frames.py``), and not trusted to be well formed.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator

from nginxws.errors import ConnectionFailed, NodeError, ProtocolError
from nginxws.nodes import limits, script
from nginxws.nodes.frames import Conversation, Done, Frame, Unexpected
from nginxws.nodes.framing import SLICE, Output, Silent
from nginxws.nodes.limits import GREETING, SILENCE
from nginxws.nodes.sudo import SYSTEM_FOLDERS, Sudo
from nginxws.nodes.transport import RemoteProcess, Transport

__all__ = ["Done", "Frame", "Session"]

#: What may come before the script's greeting.
_BEFORE = limits.Allowance(SILENCE)
_HELLO = re.compile(rb"@hello [0-9]{1,3}\Z")

#: Skips whatever precedes the sentinel line (an unread sudo password), then reads the script.
#: No single quotes, "!" or newlines: every login shell passes it on as it is.
#: With a sudo password, it first says that sudo took it.
_ACCEPTED = b"nginxws: root"
#: Before the script has set them: whatever the account's profile did to the shell, dd is the system's.
_PLAIN = f"set +aefvxC; unset -f read dd echo; unset IFS; PATH={SYSTEM_FOLDERS}:$PATH; "
_BOOTSTRAP = (
    'while IFS= read -r l; do case $l in "NGINXWS "*) break;; esac; done; n=${l#NGINXWS }; '
    "s=$(dd bs=65536 count=$n iflag=fullblock,count_bytes 2>/dev/null || dd bs=1 count=$n 2>/dev/null); "
    'eval "$s"'
)


class Session:
    """The node script running on a node, ready for requests."""

    def __init__(
        self, transport: Transport, sudo: Sudo, *, name: str = "", text: bytes | None = None
    ) -> None:
        self.node = name or transport.name
        self._nonce = os.urandom(8).hex()
        self._sudo = sudo
        self._greeted = False
        self._talk: Conversation | None = None
        self._allowed = _BEFORE
        password = sudo.first_line()
        greeting = f"echo {_ACCEPTED.decode()}; " if password else ""
        command = ["/bin/sh", "-c", _PLAIN + greeting + _BOOTSTRAP]
        self._process: RemoteProcess = transport.run(sudo.wrap(command))
        self._output = Output(self._process, _BEFORE)
        if password:
            self._give(password)
        body = f"NONCE={self._nonce}\n".encode() + (script.script() if text is None else text)
        self._send(f"NGINXWS {len(body)}\n".encode() + body)

    def request(
        self,
        word: str,
        parameters: Iterable[tuple[str, str]],
        tail: bytes = b"",
        *,
        continues: bool = False,
    ) -> None:
        """Send one request; ``tail`` is raw bytes after its ``go`` line.

        One that ``continues`` the job of the request before has what that left of the time.
        """
        if self._output.unread:
            self.abort()
            raise self._nonsense("it says something without being asked")
        lines, given = [word], dict(parameters := list(parameters))
        for key, value in parameters:
            if "\n" in value or "\0" in value:
                raise NodeError(f"a {key} can't hold a line end", node=self.node)
            lines.append(f"{key} {value}")
        text = "\n".join([*lines, "go", ""]).encode("utf-8", "surrogateescape")
        self._talk = Conversation(word, given)
        self._allowed = limits.allowance(word, given)
        self._output.allow(self._allowed if self._greeted else _BEFORE, continues=continues)
        self._send(text + tail)

    def send_data(self, data: bytes) -> None:
        """Hand over what the script has asked for, and takes by its length."""
        self._send(data)

    def send_word(self, word: str) -> None:
        """Answer the script's ``ready``: ``commit`` or ``rollback REASON``."""
        if self._talk is not None:
            self._talk.say(word)
        self._send(" ".join(word.split()).encode("utf-8", "surrogateescape") + b"\n")

    def frames(
        self,
        on_frame: Callable[[Frame], None],
        *,
        silence: float = SILENCE,
        on_wait: Callable[[], None] | None = None,
    ) -> Done:
        """Pass each frame to ``on_frame`` until the request's last one, and return that.

        ``silence`` is how many seconds the node may say nothing at all; ``on_wait`` is
        called every tenth of a second of it.
        """
        self._output.on_wait = on_wait
        assert self._talk is not None, "nothing was asked"
        while True:
            frame = self.next_frame(silence)
            with self._explained():
                if frame.kind == "done":
                    done = Done.read(frame)
                    self._talk.end(done)
                    return done
                self._talk.hear(frame)
            on_frame(frame)

    def next_frame(self, silence: float = SILENCE) -> Frame:
        """The next frame. Raises ProtocolError, or ConnectionFailed at end of file."""
        with self._explained():
            if not self._greeted:
                self._greet(min(silence, GREETING))
                self._output.allow(self._allowed)
            return self._output.frame(silence)

    def close(self) -> None:
        """Say goodbye: end of file on stdin ends the script, and undoes what isn't committed."""
        self._process.close_stdin()

    def abort(self) -> None:
        """Drop the connection to the script; it restores by itself."""
        self._process.kill()

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """What went wrong as an error for people. Nonsense ends the talk: the node is to restore at once."""
        try:
            yield
        except Unexpected as error:
            self.abort()
            raise self._nonsense(str(error)) from error
        except Silent as error:
            raise self._silent(str(error)) from error
        except EOFError as error:
            raise self._ended() from error

    def _greet(self, silence: float) -> None:
        seen, announced = 0, False
        while seen <= limits.NOISE:
            line = self._output.line(limits.NOISE, silence)
            if announced and re.fullmatch(rb"1 [0-9]+ " + self._nonce.encode(), line):
                self._greeted = True
                return
            # What a profile prints may lack its line end, so the greeting need not begin a line.
            announced = _HELLO.search(line) is not None
            seen += len(line) + 1
        raise Unexpected("the login shell doesn't stop printing")

    def _give(self, password: bytes) -> None:
        """Hand sudo the password and nothing else until it is taken: what follows isn't a second try."""
        self._send(password)
        deadline = time.monotonic() + SILENCE
        seen = bytearray()
        while _ACCEPTED not in seen:
            if time.monotonic() > deadline:
                raise self._silent(f"no answer for {SILENCE:.0f} s")
            try:
                data = self._process.read(1 << 12, SLICE)
            except TimeoutError:
                if b"try again" in self._process.stderr().lower():
                    self._process.close_stdin()  # sudo gives up, and says why
                continue
            if not data or len(seen) > limits.NOISE:
                raise self._ended()
            seen += data

    def _send(self, data: bytes) -> None:
        # A program that ended early may have said why: reading tells, so a failed write doesn't.
        with contextlib.suppress(ConnectionFailed):
            self._process.write(data)

    def _silent(self, what: str) -> ConnectionFailed:
        hint = (
            "is the network or the node stuck?"
            if self._greeted
            else f"{_PROFILE_HINT}; or is the node stuck?"
        )
        return ConnectionFailed(what, node=self.node, hint=hint)

    def _nonsense(self, what: str) -> ProtocolError:
        """Before the greeting it is the login shell's doing, after it somebody else's."""
        hint = _NONSENSE_HINT if self._greeted else _PROFILE_HINT
        return ProtocolError(f"the node's answer makes no sense: {what}", node=self.node, hint=hint)

    def _ended(self) -> Exception:
        """Why the script's output ended early: sudo, a missing shell, or a lost connection."""
        try:
            status = self._process.wait(2.0)
        except (TimeoutError, ConnectionFailed):
            status = None
        words = self._process.stderr().decode("utf-8", "replace").strip()
        if not self._greeted:
            refused = self._sudo.explain(words, self.node)
            if refused is not None:
                return refused
            return self._never_began(status, words)
        return ConnectionFailed(
            "the connection ended in the middle of the job",
            node=self.node,
            detail=words or None,
            hint=_LOST_HINT,
        )

    def _never_began(self, status: int | None, words: str) -> NodeError:
        """A shell says 126 or 127 when it can't run a program; other endings are the login shell's own."""
        message = f"the node can't run the script (exit status {status})"
        hint = "nginxws needs a POSIX sh as /bin/sh, and a login shell that runs commands"
        if status not in (126, 127):
            message = f"the login shell ended before it ran the script (exit status {status})"
            hint = _PROFILE_HINT
        return NodeError(message, node=self.node, detail=words or None, hint=hint)


_PROFILE_HINT = (
    "does a login profile on the node print, read or exit? "
    "`ssh NODE true </dev/null` must print nothing, and succeed"
)
_NONSENSE_HINT = (
    "something else than the node script writes to its output (a background job of the login profile?), "
    "or somebody tampers with this node"
)
_LOST_HINT = "run `nginxws recover` on this node: it says whether anything was left half done, and undoes it"
