"""GitLab's generic package registry, as far as a job with its token uses it, on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def registry(token: str) -> Iterator[tuple[str, dict[str, bytes]]]:
    """Serve until the block ends; the URL of the API, and what was uploaded, by its path below that.

    docs.gitlab.com, "Generic packages repository": PUT and GET of a file, with the header ``JOB-TOKEN``.
    """
    kept: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            data = self.rfile.read(int(self.headers["Content-Length"]))
            if self._permitted():
                kept[self.path] = data
                self._answer(201, b'{"message":"201 Created"}')

        def do_GET(self) -> None:
            if self._permitted():
                found = kept.get(self.path)
                self._answer(404 if found is None else 200, found or b'{"message":"404 Not Found"}')

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

        def _permitted(self) -> bool:
            if self.headers["JOB-TOKEN"] == token:
                return True
            self._answer(401, b'{"message":"401 Unauthorized"}')
            return False

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", kept
        finally:
            server.shutdown()
            thread.join(5)
