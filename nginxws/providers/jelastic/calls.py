"""The documented calls, as typed functions. Nothing is decided here.

Sources: the platform's API documentation (https://docs.jelastic.com/api/, services environment.Control and
environment.File). Names of parameters and of answers' fields were held against two clients made from it: the
OpenAPI client CustomScripts/jelastic-api (docs/Api/ControlServiceApi.md, FileServiceApi.md) and
Onemind-Services-LLC/py-jelastic (jelastic/api/environment). Each call is a form sent by POST to
``{base}/{group}/{class}/rest/{method}``; optional parameters that aren't needed aren't sent.

"Repeatable" in a docstring: carried out twice it leaves what it leaves once, so it is tried again when no
answer came. The others are not: their effect is looked up instead (`flow`, `change`).
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nginxws.errors import ProtocolError
from nginxws.printable import clean
from nginxws.providers.jelastic.http import Api
from nginxws.providers.jelastic.settings import Archive, Environment, Layer, Node

_CONTROL = "environment/control/rest"
_FILE = "environment/file/rest"
#: Where a login shell's PATH may not lead.
_PATH = 'PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"'
#: Says a command's exit status within its output: the platform's own way to tell isn't documented.
_SAYS = "nginxws-exit-status"
_DIGEST = re.compile(r"(?:\A|\n)([0-9a-f]{64}) [ *]([^\n]*)")
_STATUS = re.compile(rf"(?:\A|\n){_SAYS} ([0-9]{{1,3}})\s*\Z")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did on one node: both its outputs in one text, and its exit status."""

    node: int
    output: str
    status: int


class Platform:
    """The calls for one environment."""

    def __init__(self, api: Api, env_name: str, hoster: str) -> None:
        self.api = api
        self.env_name = env_name
        self.hoster = hoster

    def create_environment(self, layers: Sequence[Layer], *, region: str | None, tls: bool) -> None:
        """environment.Control.CreateEnvironment: ``env`` and ``nodes``, both JSON. Not repeatable.

        ``nodes`` is a list of nodeType, nodeGroup, count, fixedCloudlets and flexibleCloudlets; ``env`` has
        the shortdomain, which becomes the environment's name. The answer holds another one, ``response``.
        """
        env: dict[str, Any] = {"shortdomain": self.env_name, "sslstate": tls}
        if region is not None:
            env["region"] = region
        nodes = [
            {
                "nodeType": layer.type,
                "nodeGroup": layer.group,
                "count": layer.count,
                "fixedCloudlets": layer.fixed,
                "flexibleCloudlets": layer.flexible,
            }
            for layer in layers
        ]
        path = f"{_CONTROL}/createenvironment"
        form = {"env": _json(env), "nodes": _json(nodes)}
        answer = self.api.call(path, form, repeat=False, timeout=self.api.patience.work)
        inner = answer.get("response")
        if isinstance(inner, Mapping) and "result" in inner:
            self.api.check(path, inner)

    def exists(self) -> bool:
        """environment.Control.GetEnvs (``lazy``): whether the account has the environment. Repeatable.

        What is missing here isn't there; what an error of GetEnvInfo means isn't documented.
        """
        path = f"{_CONTROL}/getenvs"
        infos = self.api.call(path, {"lazy": "true"}, repeat=True).get("infos")
        if not isinstance(infos, list):
            raise _odd(path, "infos")
        envs = [info["env"] for info in infos if isinstance(info, dict) and isinstance(info.get("env"), dict)]
        return any(self.env_name in (env.get("envName"), env.get("shortdomain")) for env in envs)

    def environment(self) -> Environment:
        """environment.Control.GetEnvInfo (``envName``): status and nodes. Repeatable."""
        path = f"{_CONTROL}/getenvinfo"
        answer = self.api.call(path, {"envName": self.env_name}, repeat=True)
        env, nodes = answer.get("env"), answer.get("nodes")
        if not isinstance(env, dict) or not isinstance(env.get("status"), int):
            raise _odd(path, "env.status")
        domain = env.get("domain")
        if not isinstance(domain, str):  # newer versions have an object there
            domain = f"{self.env_name}.{self.hoster}"
        return Environment(
            name=self.env_name,
            domain=clean(domain),
            status=env["status"],
            uid=env["uid"] if isinstance(env.get("uid"), int) else 0,
            nodes=tuple(_node(path, one) for one in (nodes if isinstance(nodes, list) else ())),
        )

    def deploy(self, archive: Archive, group: str) -> None:
        """environment.Control.DeployApp: fileUrl, fileName, context, nodeGroup. Not repeatable."""
        form = {
            "envName": self.env_name,
            "fileUrl": archive.url,
            "fileName": archive.name,
            "context": archive.context,
            "nodeGroup": group,
        }
        self.api.call(f"{_CONTROL}/deployapp", form, repeat=False, timeout=self.api.patience.work)

    def restart_nodes(self, group: str) -> None:
        """environment.Control.RestartNodesByGroup: envName, nodeGroup. Not repeatable."""
        form = {"envName": self.env_name, "nodeGroup": group}
        path = f"{_CONTROL}/restartnodesbygroup"
        self.api.call(path, form, repeat=False, timeout=self.api.patience.work)

    def run(self, group: str, command: str, *, repeat: bool = True) -> tuple[Ran, ...]:
        """environment.Control.ExecCmdByGroup: nodeGroup and commandList, JSON; on every node of the group.

        The command is POSIX sh; nothing from outside may stand in it unquoted. Its exit status is the
        output's last line: what the platform makes of another than 0 isn't documented. Repeatable.
        """
        path = f"{_CONTROL}/execcmdbygroup"
        wrapped = f"{_PATH}; {{ {command}\n}} </dev/null 2>&1; printf '\\n{_SAYS} %s\\n' \"$?\""
        form = {
            "envName": self.env_name,
            "nodeGroup": group,
            "commandList": _json([{"command": wrapped, "params": ""}]),
        }
        responses = self.api.call(path, form, repeat=repeat).get("responses")
        if not isinstance(responses, list) or not responses:
            raise _odd(path, "responses")
        return tuple(self._ran(path, one) for one in responses)

    def _ran(self, path: str, response: object) -> Ran:
        output = response.get("out") if isinstance(response, dict) else None
        found = _STATUS.search(output.replace("\r\n", "\n")) if isinstance(output, str) else None
        if not isinstance(response, dict) or not isinstance(output, str) or found is None:
            raise _odd(path, "responses[].out")
        node = response.get("nodeid", response.get("nodeId"))
        text = output.replace("\r\n", "\n")[: found.start()]
        return Ran(node if isinstance(node, int) else 0, self.api.token.scrubbed(text), int(found[1]))

    def sums(self, group: str, paths: Sequence[str]) -> tuple[dict[str, str], ...]:
        """sha256 of files, as each node of the group computes them; what isn't there has none. Repeatable."""
        ran = self.run(group, f"sha256sum -- {' '.join(map(shlex.quote, paths))}")
        return tuple({path: digest for digest, path in _DIGEST.findall(one.output)} for one in ran)

    def read(self, group: str, path: str) -> str:
        """environment.File.Read: path, nodeGroup; the ``body``, of the group's first node. Repeatable."""
        form = {"envName": self.env_name, "nodeGroup": group, "path": path}
        body = self.api.call(f"{_FILE}/read", form, repeat=True).get("body")
        if not isinstance(body, str):
            raise _odd(f"{_FILE}/read", "body")
        return body

    def write(self, group: str, path: str, body: str) -> None:
        """environment.File.Write: path, body, nodeGroup, isAppendMode; on every node. Repeatable."""
        form = {
            "envName": self.env_name,
            "nodeGroup": group,
            "path": path,
            "body": body,
            "isAppendMode": "false",
        }
        self.api.call(f"{_FILE}/write", form, repeat=True)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _node(path: str, node: object) -> Node:
    if not isinstance(node, dict) or not isinstance(node.get("id"), int):
        raise _odd(path, "nodes[].id")
    texts = [node.get(key) for key in ("nodeGroup", "intIP", "nodeType")]
    group, address, kind = (clean(text) if isinstance(text, str) else "" for text in texts)
    return Node(node["id"], group, address, kind)


def _odd(path: str, field: str) -> ProtocolError:
    return ProtocolError(
        f"the answer to {path} has no {field} as documented",
        hint="the platform's version may be another than nginxws knows; use the nodes over SSH instead",
    )
