"""What a node's NGINX can do, read from ``nginx -V``: version and missing modules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

Version = tuple[int, int, int]

# First version with each feature (nginx CHANGES), and the module it lives in where a build can lack that.
_SINCE: Final[dict[str, tuple[Version, str | None]]] = {
    "upgrade": ((1, 3, 13), "http_proxy_module"),
    "map": ((0, 9, 0), "http_map_module"),
    "tls": ((0, 7, 0), "http_ssl_module"),
    "tls_name": ((1, 7, 0), "http_ssl_module"),
    "tls_verify": ((1, 7, 0), "http_ssl_module"),
    "redirect": ((1, 13, 0), "http_rewrite_module"),  # 308; absolute_redirect itself is 1.11.8
    "least-conn": ((1, 3, 1), "http_upstream_least_conn_module"),
    "ip-hash": ((0, 5, 0), "http_upstream_ip_hash_module"),
    "random": ((1, 15, 1), "http_upstream_random_module"),
    "max_conns": ((1, 11, 5), None),
    "socket_keepalive": ((1, 15, 6), None),
}
# Built in unless left out; http_ssl_module is the other way round.
_REMOVABLE: Final = frozenset(module for _, module in _SINCE.values() if module) - {"http_ssl_module"}
_WITHOUT: Final = re.compile(r"--without-(http(?:_[a-z_]+_module)?)(?![a-z_-])")
_VERSION: Final = re.compile(r"(?<![A-Za-z-])(?:free)?(nginx|openresty|Angie|Tengine)/(\d+)\.(\d+)\.(\d+)")

# Forks that count their own versions, and the NGINX they are at least.
_FORKS: Final[dict[str, tuple[tuple[Version, Version], ...]]] = {
    "Angie": (((1, 0, 0), (1, 23, 0)),),
    "Tengine": (((3, 0, 0), (1, 24, 0)), ((2, 3, 0), (1, 15, 9)), ((2, 1, 0), (1, 6, 2))),
}


@dataclass(frozen=True, slots=True)
class Features:
    """Version and missing modules of one NGINX. ``(0, 0, 0)`` is an unknown version: nothing is assumed."""

    version: Version
    missing: frozenset[str] = frozenset()

    @classmethod
    def from_dash_v(cls, text: str) -> Features:
        """Read what ``nginx -V`` prints (to stderr); also that of OpenResty, Angie, Tengine, freenginx."""
        head, marker, arguments = text.partition("configure arguments:")
        versions = [
            _as_nginx(product, (int(major), int(minor), int(patch)))
            for product, major, minor, patch in _VERSION.findall(head)
        ]
        left_out = set(_WITHOUT.findall(arguments))
        missing = set(_REMOVABLE) if "http" in left_out else left_out & _REMOVABLE
        if marker and "--with-http_ssl_module" not in arguments:
            missing.add("http_ssl_module")
        return cls(max(versions, default=(0, 0, 0)), frozenset(missing))

    def lacks(self, feature: str) -> str | None:
        """Why this NGINX hasn't the feature, as a phrase for errors; None when it has it."""
        since, module = _SINCE[feature]
        if module in self.missing:
            return f"it was built without {module}"
        if self.version < since:
            mine = ".".join(map(str, self.version)) if any(self.version) else "of unknown version"
            return f"it needs NGINX {'.'.join(map(str, since))}, and this one is {mine}"
        return None


CURRENT: Final = Features((1, 31, 3))
"""What is assumed where no node is asked: a current, complete NGINX."""


def _as_nginx(product: str, version: Version) -> Version:
    if product not in _FORKS:
        return version
    return next((base for since, base in _FORKS[product] if version >= since), (0, 0, 0))
