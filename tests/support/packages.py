"""GitLab's generic package registry, as far as a job with its token uses it, on loopback."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Registry(ThreadingHTTPServer):
    """docs.gitlab.com, "Generic packages repository": PUT and GET of a file, with a ``JOB-TOKEN`` header."""

    def __init__(self, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.token = token
        #: What was uploaded, by its path below the API's URL.
        self.kept: dict[str, bytes] = {}

    @property
    def url(self) -> str:
        """What CI_API_V4_URL is in its jobs."""
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Registry

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self._permitted():
            self.server.kept[self.path] = data
            self._answer(201, b'{"message":"201 Created"}')

    def do_GET(self) -> None:
        if self._permitted():
            found = self.server.kept.get(self.path)
            self._answer(404 if found is None else 200, found or b'{"message":"404 Not Found"}')

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _permitted(self) -> bool:
        if self.headers["JOB-TOKEN"] == self.server.token:
            return True
        self._answer(401, b'{"message":"401 Unauthorized"}')
        return False

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def registry(token: str) -> Iterator[Registry]:
    """Serve until the block ends."""
    with Registry(token) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join(5)
