"""Strings that were made to do harm, and how hard to try: NGINXWS_FUZZ=deep tries a hundred times as much."""

from __future__ import annotations

import os
import random

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st

DEEP = os.environ.get("NGINXWS_FUZZ") == "deep"

#: What quotes, ends, nests, comments, expands or hides, in one of the languages that text passes through.
CHARACTERS = (
    "\"'`;{}$#\\/ \t\r\n\x00\x01\x07\x08\x0b\x0c\x1b\x1f\x7f\x80\x85\x9b\x9d\xa0\xad"
    "\u061c\u180e\u200b\u200e\u2028"
    "\u2029\u202a\u202e\u2066\u2069\u3000\ufeff\ufffe\ud800\udc00\udc81\udcff"
    "；｛｝＂＄＃／‘’é日Ё\U0001f4a3\U000e0041aAzZ09_-.:,@[]()%|&<>*?!~^=+"
)
SNIPPETS = (
    "{{ 7*7 }}",
    "{{ route.__class__ }}",
    "{% raw %}",
    "{% endfor %}",
    "{#",
    "#}",
    "${host}",
    "$host",
    "${",
    "$uri",
    "$request_uri",
    "$(touch CANARY)",
    "`touch CANARY`",
    "; touch CANARY;",
    "'; touch CANARY; '",
    "\ntouch CANARY\n",
    "| touch CANARY",
    "&& touch CANARY",
    "\nreturn 200;",
    "} location / { return 200; ",
    "}",
    "};",
    "\\",
    "\\\\",
    "\\n",
    "\\\n",
    "\\'",
    '\\"',
    "proxy_pass http://h;",
    "# nginxws: begin route /x/ 0123456789abcdef",
    "\n# nginxws: end route /x/\n",
    "/../",
    "//",
    "/./",
    "%0d%0a",
    "\r\nX-Evil: 1",
    "?a=b",
    "#x",
    "::add-mask::x",
    "\n::set-env name=A::b",
    "\n  ::stop-commands::x",
    "##[set-env name=A]b",
    "##[error]x",
    "##vso[task.setvariable]x",
    "##teamcity[x]",
    "\x1b[0Ksection_start:1:x\r\x1b[0K",
    "\x1b[2J",
    "\x1b]0;title\x07",
    "\x9b31m",
    "\u202egnp.exe",
    "\nerror: lb1: all is lost",
    "(?<a>b)",
    "(?P<a>b)",
    "[[:alpha:]]",
    "(*UTF8)",
    "^",
    ".*",
    "include /etc/passwd;",
    "unix:/run/x.sock",
    "[::1]",
    "localhost",
    "-oProxyCommand=x",
    "--help",
    "-",
    "~",
    "~root",
    "local",
    "ws/",
    "/ws/",
)


class Mint(random.Random):
    """Makes up strings from a seed: a hundred times as fast as a strategy that draws each character."""

    def chars(self, alphabet: str, least: int, most: int) -> str:
        return "".join(self.choices(alphabet, k=self.randint(least, most)))

    def hostile(self) -> str:
        """Snippets and characters in any order; in one of ten any of Unicode's."""
        made = []
        for _ in range(self.randint(0, 4)):
            kind = self.random()
            if kind < 0.5:
                made.append(self.choice(SNIPPETS))
            elif kind < 0.9:
                made.append(self.chars(CHARACTERS, 0, 6))
            else:
                made.append("".join(chr(self.randrange(0x110000)) for _ in range(self.randint(1, 5))))
        return "".join(made)

    def argument(self) -> str:
        """What can stand in argv and in an environment variable: bytes, and no NUL."""
        data = (
            self.randbytes(self.randint(0, 12))
            if self.random() < 0.2
            else self.hostile().encode("utf-8", "replace")
        )
        return os.fsdecode(data.replace(b"\0", b""))

    def spoil(self, value: str, once_in: int) -> str:
        """Mostly ``value`` itself; once in a while with something hostile in it, or all hostile."""
        if self.randrange(once_in):
            return value
        if self.random() < 0.3:
            return self.hostile()
        at = self.randint(0, len(value))
        return value[:at] + self.hostile() + value[at:]


mints = st.integers(0, 2**62).map(Mint)


def examples(number: int, *, deep: int | None = None) -> settings:
    """How many examples a test tries; ``deep`` of them (a hundred times as many) in a deep run.

    Nothing is shrunk: an example is a seed.
    """
    checks = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.function_scoped_fixture]
    return settings(
        max_examples=(deep or 100 * number) if DEEP else number,
        deadline=None,
        suppress_health_check=checks,
        derandomize=not DEEP,
        phases=(Phase.explicit, Phase.generate),
        database=None,
    )
