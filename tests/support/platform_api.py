"""A platform on loopback: the documented calls over HTTPS, strictly, with a real NGINX behind them.

Unknown or missing parameters, other methods than POST, unknown calls and unknown sessions are errors. Files
are really written, and commands really run, in a PATH whose ``sudo``, ``ps`` and ``nginx`` are a balancer's.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
import struct
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from support.certificate import self_signed
from support.nginx import NginxNode

Form = dict[str, str]
Answer = dict[str, Any]
TOKEN = "0123456789abcdefPLANTED0123456789abcdef"
CREATE, ENVS, INFO, DEPLOY, RESTART, EXEC = (
    f"environment/control/rest/{name}"
    for name in (
        "createenvironment",
        "getenvs",
        "getenvinfo",
        "deployapp",
        "restartnodesbygroup",
        "execcmdbygroup",
    )
)
READ, WRITE = "environment/file/rest/read", "environment/file/rest/write"
#: Required and optional parameters, beside the session, of the API documentation.
PARAMETERS: dict[str, tuple[set[str], set[str]]] = {
    CREATE: ({"env", "nodes"}, {"envGroups", "actionkey", "ownerUid"}),
    ENVS: (set(), {"lazy", "ownerUid"}),
    INFO: ({"envName"}, {"lazy"}),
    DEPLOY: (
        {"envName", "fileUrl", "fileName"},
        {"context", "nodeGroup", "delay", "hooks", "isSequential", "atomicDeploy"},
    ),
    RESTART: ({"envName", "nodeGroup"}, {"delay", "isSequential", "manageDNSState"}),
    EXEC: ({"envName", "nodeGroup", "commandList"}, {"sayYes", "async"}),
    READ: ({"envName", "path"}, {"nodeType", "nodeGroup", "nodeid"}),
    WRITE: (
        {"envName", "path"},
        {"isAppendMode", "body", "nodeType", "masterOnly", "nodeGroup", "nodeid"},
    ),
}
NODE_KEYS = {"nodeType", "nodeGroup", "count", "fixedCloudlets", "flexibleCloudlets", "extip", "tag"}
ENV_KEYS = {"shortdomain", "region", "sslstate", "displayName", "engine", "ishaenabled"}

#: The platform's main file, and the one that it includes: a whole http{}, markers and tabs and all.
MAIN = """user  root;
worker_processes  2;
error_log  @PREFIX@/error.log info;
pid        @PREFIX@/nginx.pid;
events {
    worker_connections  512;
}

include nginx-brand.conf;
"""
BRAND = """######## HTTP SECTION PROTOTYPE ########

http {
\tserver_tokens off ;
        access_log off;
        client_body_temp_path @PREFIX@/tmp/c; proxy_temp_path @PREFIX@/tmp/p;
        fastcgi_temp_path @PREFIX@/tmp/f; uwsgi_temp_path @PREFIX@/tmp/u; scgi_temp_path @PREFIX@/tmp/s;

    ### DEFAULT UPSTREAM FOLLOWS HERE ###
    upstream default_upstream{
    server 127.0.0.1:9;
    keepalive 100; }

        server {
                listen *:@PORT@;
                server_name  _;

                proxy_set_header Host $host;
                proxy_set_header X-Real-IP $remote_addr;

                location = /50x.html {
                        root   html;
                }

                location / {
                        return 404 "café\\n";
                }
                #USERLOCATIONS
        }

 include conf.d/*.conf;

}

######## TCP SECTION PROTOTYPE ########
"""
_SUDO = """#!/bin/sh
[ "$1" = -n ] && shift
case "$*" in
    "systemctl reload nginx") [ -e @PREFIX@/reload-lies ] || kill -HUP "$(cat @PREFIX@/nginx.pid)" ;;
    "nginx -t") exec nginx -t ;;
    *) echo "sudo: a password is required" >&2; exit 1 ;;
esac
"""
_PS = """#!/bin/sh
[ -e @PREFIX@/no-workers ] || exec /bin/ps -o pid=,args= --ppid "$(cat @PREFIX@/nginx.pid)"
"""
_NGINX = """#!/bin/sh
brand=@PREFIX@/etc/nginx-brand.conf
if [ "$1" = -t ] && [ -e @PREFIX@/test-refuses ] && grep -q 'nginxws: begin' "$brand"; then
    echo "nginx: [emerg] the platform's own module doesn't like it" >&2
    exit 1
fi
exec @BINARY@ -p @PREFIX@ -c @PREFIX@/etc/nginx.conf "$@"
"""


@dataclass
class PlatformApi:
    """The account, its environments and its faults; ``calls`` are those that came, in order."""

    node: NginxNode
    port: int = 0
    tls: bool = True
    ca: Path = Path()
    calls: list[tuple[str, Form]] = field(default_factory=list)
    #: For a call, what goes wrong with its next ones; "" is a good one, "refuse!" goes on for ever.
    faults: dict[str, list[str]] = field(default_factory=dict)
    #: Called with a call's form before it is carried out.
    hooks: dict[str, Callable[[Form], None]] = field(default_factory=dict)
    #: What a call answers beside its result 0, instead of being carried out.
    odd: dict[str, Answer] = field(default_factory=dict)
    envs: dict[str, Answer] = field(default_factory=dict)
    deployed: list[Form] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)  # groups
    statuses: list[int] = field(default_factory=list)  # of the next GetEnvInfo calls
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://localhost:{self.port}/1.0"

    @property
    def brand(self) -> Path:
        return self.node.conf.with_name("nginx-brand.conf")

    def prepare(self) -> None:
        """The node's files and programs."""
        prefix = self.node.prefix
        texts = {"sudo": _SUDO, "ps": _PS, "nginx": _NGINX}
        self.brand.write_text(self._filled(BRAND))
        (prefix / "bin").mkdir()
        for name, text in texts.items():
            program = prefix / "bin" / name
            program.write_text(self._filled(text))
            program.chmod(0o755)
        for group in ("bl", "cp"):
            (prefix / f"home-{group}").mkdir()

    def _filled(self, text: str) -> str:
        known = {"PREFIX": str(self.node.prefix), "PORT": str(self.node.port), "BINARY": self.node.binary}
        for key, value in known.items():
            text = text.replace(f"@{key}@", value)
        return text

    def made(self, name: str = "chat") -> None:
        """The account has the environment already."""
        layers = [
            {"nodeType": kind, "nodeGroup": group} for kind, group in (("nginx", "bl"), ("nodejs", "cp"))
        ]
        self._create({"shortdomain": name}, layers)
        self.statuses.clear()

    def _create(self, env: Answer, layers: list[Answer]) -> Answer:
        name = env["shortdomain"]
        nodes = [
            {"id": 100 + number, "intIP": "127.0.0.1", "adminUrl": "", **layer}
            for number, layer in enumerate(layers)
        ]
        told = {"envName": name, "shortdomain": name, "domain": f"{name}.example.com", "uid": 7}
        self.envs[name] = {"env": told, "nodes": nodes}
        self.statuses = self.statuses or [6, 3]
        return self.envs[name]

    def count(self, path: str) -> int:
        return sum(one == path for one, _form in self.calls)

    def changing(self) -> list[str]:
        """The calls that could change anything; commands that only look are none."""
        looks = ("find ", "{ sha256sum ", "{ ps ", "{ cat ", "configtest", "{ grep ")
        return [
            path
            for path, form in self.calls
            if path in (CREATE, DEPLOY, RESTART, WRITE)
            or (path == EXEC and not any(look in form["commandList"] for look in looks))
        ]

    def next_fault(self, path: str) -> str:
        """What goes wrong with a call."""
        waiting = self.faults.get(path)
        if not waiting:
            return ""
        return waiting[0].rstrip("!") if waiting[0].endswith("!") else waiting.pop(0)

    # --- the calls ---------------------------------------------------------------------------

    def answer(self, path: str, form: Form) -> Answer:
        """What the platform answers to a form."""
        if path not in PARAMETERS:
            return {"result": 2, "error": f"no such method: {path}"}
        if form.pop("session", None) != TOKEN:
            return {"result": 702, "error": "session is invalid or expired", "source": "JEL"}
        required, optional = PARAMETERS[path]
        if unknown := set(form) - required - optional:
            return {"result": 3, "error": f"unknown parameter: {sorted(unknown)}"}
        if missing := required - set(form):
            return {"result": 3, "error": f"missing parameter: {sorted(missing)}"}
        if hook := self.hooks.get(path):
            hook(form)
        name = form.get("envName")
        if name is not None and name not in self.envs:
            return {"result": 11, "error": f"environment {name} is not found"}
        method = path.rpartition("/")[2]
        done: Answer = self.odd[path] if path in self.odd else getattr(self, f"_on_{method}")(form)
        return {"result": 0, "source": "JEL", **done}

    def _on_createenvironment(self, form: Form) -> Answer:
        env, nodes = json.loads(form["env"]), json.loads(form["nodes"])
        assert isinstance(nodes, list)
        odd = set(env) - ENV_KEYS | {key for node in nodes for key in set(node) - NODE_KEYS}
        if odd or not all({"nodeType", "nodeGroup"} <= set(node) for node in nodes):
            return {"result": 3, "error": f"odd keys, or none where they must be: {sorted(odd)}"}
        if env["shortdomain"] in self.envs:
            return {"response": {"result": 4080, "error": "the name is in use"}}
        return {"response": {"result": 0, **self._create(env, nodes)}}

    def _on_getenvs(self, _form: Form) -> Answer:
        return {"infos": [{"result": 0, "env": one["env"]} for one in self.envs.values()]}

    def _on_getenvinfo(self, form: Form) -> Answer:
        found = self.envs[form["envName"]]
        status = self.statuses.pop(0) if self.statuses else 1
        return {"env": {**found["env"], "status": status}, "nodes": found["nodes"]}

    def _on_deployapp(self, form: Form) -> Answer:
        self.deployed.append(form)
        return {"responses": [{"nodeId": 101, "out": "", "errOut": "", "result": 0}]}

    def _on_restartnodesbygroup(self, form: Form) -> Answer:
        self.restarted.append(form["nodeGroup"])
        if form["nodeGroup"] == "cp":
            return {"responses": [{"nodeid": 101, "out": "", "result": 0}]}
        assert form["nodeGroup"] == "bl"
        self.node.stop()
        self.node.start()
        return {"responses": [{"nodeid": 100, "out": "", "result": 0}]}

    def _on_execcmdbygroup(self, form: Form) -> Answer:
        commands = json.loads(form["commandList"])
        if not all(set(one) <= {"command", "params"} for one in commands):
            return {"result": 3, "error": "odd commandList"}
        home = self.node.prefix / f"home-{form['nodeGroup']}"
        if not home.is_dir():
            return {"result": 11, "error": "no nodes of this group"}
        environment = {**os.environ, "HOME": str(home), "PATH": f"{self.node.prefix}/bin:/usr/bin:/bin"}
        responses = []
        for one in commands:
            done = subprocess.run(
                ["/bin/sh", "-c", one["command"]],
                env=environment,
                capture_output=True,
                timeout=30,
                check=False,
            )
            told = {
                "out": done.stdout.decode(),
                "errOut": done.stderr.decode(),
                "exitStatus": done.returncode,
            }
            responses.append({"nodeid": 100 if form["nodeGroup"] == "bl" else 101, "result": 0, **told})
        return {"responses": responses}

    def _on_read(self, form: Form) -> Answer:
        path = Path(form["path"])
        if not path.is_file():
            return {"result": 4109, "error": "no such file"}
        return {"body": path.read_bytes().decode("utf-8", "replace")}

    def _on_write(self, form: Form) -> Answer:
        data = form["body"].encode()
        half = self.faults.get("half-written")
        if half and half.pop(0):
            data = data[: len(data) // 2]
        Path(form["path"]).write_bytes(data)
        return {}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    platform: PlatformApi

    def handle_error(self, request: object, client_address: object) -> None:
        """Clients that go away are what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def platform(self) -> PlatformApi:
        assert isinstance(self.server, _Server)
        return self.server.platform

    def log_message(self, format: str, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.say(405, b"only POST")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if self.headers["Content-Type"] != "application/x-www-form-urlencoded" or "?" in self.path:
            return self.say(415, b"a form, please")
        path = self.path.removeprefix("/1.0/")
        form = dict(parse_qsl(body, keep_blank_values=True, strict_parsing=True))
        self.platform.calls.append((path, dict(form)))
        fault = self.platform.next_fault(path)
        if fault in _INSTEAD:
            return _INSTEAD[fault](self, form)
        data = json.dumps(self.platform.answer(path, form)).encode()
        if fault == "reset-after":
            return self.reset()
        if fault == "truncated":
            return self.say(200, data[: len(data) // 2], {"Content-Length": str(len(data))})
        return self.say(200, data)

    def say(self, status: int, data: bytes, headers: Form | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(data)
        self.close_connection = True

    def reset(self) -> None:
        """RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def silent(self) -> None:
        self.platform.release.wait(20)
        self.close_connection = True

    def drip(self) -> None:
        """A byte of a header now and then: no single read ever times out."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        while not self.platform.release.wait(0.05):
            self.wfile.write(b"x")
            self.wfile.flush()


def _refusal(form: Form) -> bytes:
    return json.dumps({"result": 99, "error": f"no, {form['session']}\x1b[31m"}).encode()


#: What comes instead of the call, which isn't carried out.
_INSTEAD: dict[str, Callable[[_Handler, Form], None]] = {
    "reset-before": lambda handler, _form: handler.reset(),
    "502": lambda handler, _form: handler.say(502, b"<html>Bad Gateway</html>"),
    "302": lambda handler, _form: handler.say(302, b"", {"Location": f"{handler.platform.url}/stolen"}),
    "500": lambda handler, form: handler.say(500, form["session"].encode()),
    "slow": lambda handler, _form: handler.silent(),
    "drip": lambda handler, _form: handler.drip(),
    "not-json": lambda handler, form: handler.say(200, b"<html>Sign in, " + form["session"].encode()),
    "no-result": lambda handler, _form: handler.say(200, b'{"ok": true}'),
    "deep": lambda handler, _form: handler.say(200, b"[" * 200_000),
    "huge": lambda handler, _form: handler.say(200, b" " * 200_000),
    "refuse": lambda handler, form: handler.say(200, _refusal(form)),
}


@contextmanager
def serving(node: NginxNode, folder: Path, *, tls: bool = True) -> Iterator[PlatformApi]:
    """The platform, until the block ends; the node isn't started."""
    platform = PlatformApi(node, tls=tls)
    platform.prepare()
    server = _Server(("127.0.0.1", 0), _Handler)
    server.platform = platform
    if tls:
        platform.ca, key = self_signed(folder, "localhost")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(platform.ca, key)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    platform.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield platform
    finally:
        platform.release.set()
        server.shutdown()
        thread.join(5)
        server.server_close()
