"""What may stand in [environment.jelastic], and what is said of what may not."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from pydantic import ValidationError

from nginxws.manifest.jelastic import JelasticEntry

LEAST = {"hoster": "platform.example", "env_name": "chat"}
ALL = """
hoster = "platform.example"
env_name = "chat"
api = "https://api.platform.example/1.0"
token_env = "CHAT_TOKEN"
region = "eu"
archive = "https://files.example/chat.zip"
archive_name = "chat.zip"
context = "ROOT"
nginx_conf = "/etc/nginx/nginx.conf"
reload = "restart"
wait = "5m"

[balancer]
type = "nginx"
group = "bl"
count = 2

[application]
type = "nodejs"
fixed_cloudlets = 0
cloudlets = 8
"""


def test_two_values_do() -> None:
    entry = JelasticEntry.model_validate(LEAST)
    assert (entry.balancer.group, entry.balancer.count, entry.application, entry.wait) == (
        None,
        1,
        None,
        None,
    )


def test_all_of_it() -> None:
    entry = JelasticEntry.model_validate(tomllib.loads(ALL))
    assert entry.wait == 300
    assert entry.balancer.count == 2
    assert entry.application is not None
    assert (entry.application.fixed_cloudlets, entry.application.cloudlets) == (0, 8)


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"hoster": "no host"}, "hoster"),
        ({"env_name": "Chat"}, "env_name"),
        ({"env_name": "chat-"}, "env_name"),
        ({"api": "http://app.platform.example/1.0"}, "api"),
        ({"api": "https://[::1/1.0"}, "api"),
        ({"token_env": "0123-4567"}, "token_env"),
        ({"token": "secret"}, "token"),
        ({"archive": "file:///etc/passwd", "application": {}}, "archive"),
        ({"archive": "https://me:pw@files.example/a.zip", "application": {}}, "archive"),
        ({"archive": "https://files.example/a b.zip", "application": {}}, "archive"),
        ({"archive": "https://files.example/a.zip"}, "application"),
        ({"balancer": {"group": "b l"}}, "balancer.group"),
        ({"balancer": {"count": 0}}, "balancer.count"),
        ({"application": {"image": "x"}}, "application.image"),
        ({"reload": "reboot"}, "reload"),
        ({"nginx_conf": "nginx.conf"}, "nginx_conf"),
    ],
)
def test_what_may_not_stand_there(change: dict[str, Any], key: str) -> None:
    with pytest.raises(ValidationError) as caught:
        JelasticEntry.model_validate({**LEAST, **change})
    (problem,) = caught.value.errors()
    assert key in (".".join(map(str, problem["loc"])) or problem["type"])
    assert "pw" not in problem["msg"]
