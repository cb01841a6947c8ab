"""The platform's access token: from an environment variable or the keyring, never from a command line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import import_module

from nginxws.errors import AuthenticationFailed

#: Where the token is looked for, unless the manifest names another variable.
VARIABLE = "NGINXWS_JELASTIC_TOKEN"
#: The keyring's service; its user name is the hoster.
SERVICE = "nginxws-jelastic"
#: A token goes into a form field; the platform's own are 32 to 80 hexadecimal digits.
_TOKEN = re.compile(r"[!-~]{8,512}")
#: What stands in texts instead of the token.
HIDDEN = "[token]"


class Token:
    """A secret that no text shows: not ``str``, not ``repr``, not a traceback or a pickle."""

    __slots__ = ("_secret",)

    def __init__(self, secret: str) -> None:
        """Raises AuthenticationFailed when it can't be a token; its text isn't quoted."""
        if not _TOKEN.fullmatch(secret):
            raise AuthenticationFailed(
                "the access token isn't one: 8 to 512 visible characters without spaces",
                hint="copy it anew from the platform's dashboard: Settings, Access Tokens",
            )
        self._secret = secret

    def reveal(self) -> str:
        """The secret itself, for a request's body alone."""
        return self._secret

    def scrubbed(self, text: str) -> str:
        """``text`` without the secret: platforms may quote what they were sent."""
        return text.replace(self._secret, HIDDEN)

    def __repr__(self) -> str:
        return HIDDEN

    def __reduce__(self) -> str:
        raise TypeError("a token isn't stored")


def find_token(hoster: str, variable: str = VARIABLE, environ: Mapping[str, str] | None = None) -> Token:
    """The token of an account at ``hoster``: the environment variable, else the keyring.

    The package keyring is optional: without it, or without an entry, only the variable counts.
    Raises AuthenticationFailed when there is none.
    """
    secret = (os.environ if environ is None else environ).get(variable, "").strip()
    if not secret:
        secret = (_from_keyring(hoster) or "").strip()
    if not secret:
        raise AuthenticationFailed(
            f"there is no access token for {hoster}",
            hint="make one on the platform's dashboard (Settings, Access Tokens) and put it into "
            f"{variable}, or into the keyring: keyring set {SERVICE} {hoster}",
        )
    return Token(secret)


def _from_keyring(hoster: str) -> str | None:
    """The keyring's entry; None without the package, a keyring, or an entry."""
    try:
        secret = import_module("keyring").get_password(SERVICE, hoster)
    except Exception:  # a locked or broken keyring raises what it likes; it is as good as none
        return None
    return secret if isinstance(secret, str) else None
