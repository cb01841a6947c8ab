"""Everything foreign that ``report`` shows goes through these two; see ``nginxws.printable``."""

from __future__ import annotations

from nginxws.printable import clean, one_line

__all__ = ["clean", "one_line"]
