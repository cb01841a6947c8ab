"""The platform Jelastic (Virtuozzo Application Platform): an environment made and kept by its REST API.

What a caller needs, all of it here::

    settings = Settings(hoster="example.com", env_name="chat", application=Layer("cp", "nodejs20-pro"))
    wanted = Wanted(domain="chat.example.com", routes=lambda env: [Put(Route.create(
        "/ws/", [f"{address}:8080" for address in env.addresses("cp")]))])
    result = bring_up(settings, wanted, on_step=print)     # the environment as wanted, proved
    outlook = plan(settings, wanted)                       # what `bring_up` would do; changes nothing
    result = take_down(settings, wanted)                   # our part out; the environment stays

- ``Settings`` says where the API is and what the environment is made of; ``Settings.token`` is looked up
  (environment variable, then keyring) when it is None.
- ``Wanted.apps`` run on the application's nodes: the address in their files is made the wanted one.
- ``Wanted.routes`` is asked once the environment runs: addresses of its nodes aren't known before.
  With ``Wanted.routes = None`` the balancer is left alone: its nodes are in ``Result.environment.nodes``,
  each with its SSH target (``Node.ssh_target``), for the transaction over SSH that any other balancer gets.
- ``on_step(step, words)`` is called as nodes' drivers do; steps are `STEPS`.
- ``Result.as_json()`` and ``Outlook.as_json()`` hold plain data without secrets.

Errors, beside those of planning (ConfigError and its kin): InvalidInput (64) for settings that can't be;
AuthenticationFailed (6) for the token; ConnectionFailed (6) when the API can't be reached; NodeError and
ProtocolError (1) for what the platform refuses or answers; StaleError (7) when somebody edited the balancer's
file meanwhile; Restored (4), RestoreFailed (5) and Interrupted (130) after a file had been written.

No live platform was used to test this: see docs/how-to/jelastic.md.
"""

from nginxws.providers.jelastic.flow import STEPS, bring_up, plan, take_down
from nginxws.providers.jelastic.http import Patience
from nginxws.providers.jelastic.settings import (
    Archive,
    Environment,
    Layer,
    Node,
    Outlook,
    Result,
    Settings,
    Wanted,
)
from nginxws.providers.jelastic.token import Token, find_token

__all__ = [
    "STEPS",
    "Archive",
    "Environment",
    "Layer",
    "Node",
    "Outlook",
    "Patience",
    "Result",
    "Settings",
    "Token",
    "Wanted",
    "bring_up",
    "find_token",
    "plan",
    "take_down",
]
