"""Text that ends up in a shell script: words and here-documents that nothing can break out of. Pure."""

from __future__ import annotations

import re

from nginxws.errors import InvalidInput
from nginxws.printable import one_line

#: Ends every here-document; no line of ours, of NGINX's or of base64 is that.
DELIMITER = "NGINXWS_TEXT"
_PLAIN = re.compile(r"[A-Za-z0-9_/.:=+@%,-]+")
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def word(text: str) -> str:
    """The text as one word of a POSIX shell: quoted unless every character is harmless."""
    if _PLAIN.fullmatch(text):
        return text
    return "'" + text.replace("'", "'\\''") + "'"


def words(*texts: str) -> str:
    """Several words of a shell, each quoted for itself."""
    return " ".join(word(text) for text in texts)


def here(text: str) -> str:
    """The text as a here-document: what stands after ``<<`` on a line, and the lines below it.

    Raises InvalidInput when a line of it would end it, or holds what no shell reads well.
    """
    lines = text.rstrip("\n").split("\n")
    if DELIMITER in lines or _CONTROL.search(text):
        raise InvalidInput(
            "this can't stand in a script: a control character, or the script's own delimiter",
            hint="leave it out of the manifest or its templates",
        )
    return "\n".join([f"<<'{DELIMITER}'", *lines, DELIMITER])


def comment(text: str) -> str:
    """The text for a comment of one line."""
    return one_line(text)
