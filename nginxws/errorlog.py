"""Where an NGINX says why a reload failed: the files of its main-level ``error_log``. Pure."""

from __future__ import annotations

import posixpath

from nginxws.config.tree import ConfigTree
from nginxws.snapshot import Snapshot


def error_logs(now: Snapshot, tree: ConfigTree) -> tuple[str, ...]:
    """Absolute paths of the error logs of the main context; empty when they are no files.

    Without any ``error_log`` there, NGINX uses the one it was built with. Relative names resolve
    against the prefix (ngx_conf_full_name).
    """
    prefix = now.nginx.prefix or _argument(now, "--prefix=") or "/usr/share/nginx"
    names = [
        located.directive.args[0].decode("utf-8", "surrogateescape")
        for located in tree.expand(tree.main_file.document.directives, tree.main_file)
        if located.directive.name == b"error_log" and located.directive.args
    ]
    names = names or [_argument(now, "--error-log-path=") or "stderr"]
    files = [name for name in names if name != "stderr" and not name.startswith(("syslog:", "memory:"))]
    return tuple(dict.fromkeys(posixpath.join(prefix, name) for name in files))


def _argument(now: Snapshot, flag: str) -> str:
    """The value of a configure argument in ``nginx -V``; empty when it isn't there."""
    words = (word for word in now.nginx.dash_v.split() if word.startswith(flag))
    return next(words, flag).removeprefix(flag)
