"""``--format shell``: one POSIX script that does the work of whichever machine it runs on. Pure."""

from __future__ import annotations

from nginxws.environment.export.heading import heading
from nginxws.environment.export.jobs import Ask, apps, balancers
from nginxws.environment.export.script import script

_USE = """
Run it on each machine, as root or as whom its files belong to, with the machine's name in the manifest:

    sh environment.sh [apply|check] NAME

check says what would change. A second run changes nothing. Needs awk, sha256sum, and curl for the proof.
A managed block that was edited by hand stops it, unless OVERWRITE_DRIFT=yes is in the environment.
The bytes before the last change are kept beside each file, as .FILE.nginxws.old.
Not covered: one decision for all machines (each stands for itself), staged tests, history, rollback, routes
that left the manifest, headers that a server takes from an included file. `nginxws env up` does all that.
"""


def export(ask: Ask) -> str:
    """The script. Raises InvalidInput where something of the manifest can't be said in it."""
    return script(balancers(ask), apps(ask), heading(ask, _USE))
