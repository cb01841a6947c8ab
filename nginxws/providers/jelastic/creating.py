"""The environment and what is deployed there: made when the platform doesn't have it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Final

from nginxws.errors import ConnectionFailed, InvalidInput, NodeError
from nginxws.providers.jelastic.calls import Platform
from nginxws.providers.jelastic.change import OnStep
from nginxws.providers.jelastic.http import NoAnswer, Refused
from nginxws.providers.jelastic.settings import Archive, Settings, Wanted

#: Says on an application node which archive it has; in its user's home, so that a rebuilt node has none.
_MARKER: Final = '"$HOME"/.nginxws-deployed'


def create(platform: Platform, settings: Settings, wanted: Wanted, on_step: OnStep) -> bool:
    """Make the environment unless it is there; whether it was made.

    When no answer comes the account is looked at: a platform that is slow may have begun. Only where
    nothing appears it is asked once more; a second environment of the name can't come of that.
    """
    if platform.exists():
        return False
    layers = [settings.balancer, *((settings.application,) if settings.application is not None else ())]
    lacking = next((layer.group for layer in layers if layer.type is None), None)
    if lacking is not None:
        raise InvalidInput(
            f"there is no environment {settings.env_name}, and none can be made: "
            f"the node type of the group {lacking} isn't said",
            hint='say it like type = "nginx"; the dashboard and the API (GetTemplates) name them',
        )
    on_step("create", settings.env_name)
    _ask_for(platform, lambda: platform.create_environment(layers, region=settings.region, tls=wanted.tls))
    on_step("created", settings.env_name)
    return True


def _ask_for(platform: Platform, create: Callable[[], None]) -> None:
    """Create, at most twice, and only where the first call's effect can't be seen."""
    try:
        create()
    except NoAnswer:
        if _appears(platform):
            return
        try:
            create()
        except (NoAnswer, Refused):  # the first may have been heard after all
            if not _appears(platform):
                raise


def _appears(platform: Platform) -> bool:
    """Whether the environment shows up in the account, within the pauses of one call."""
    api = platform.api
    for pause in (0.0, *api.patience.pauses()):
        api.sleep(pause)
        if platform.exists():
            return True
    return False


def application(settings: Settings, archive: Archive) -> tuple[str, str]:
    """The group that is deployed to, and the archive's digest, which its marker holds."""
    if settings.application is None:
        raise InvalidInput(
            "there is an archive and no group of nodes for it", hint="add the application's group"
        )
    told = json.dumps([archive.url, archive.name, archive.context])
    return settings.application.group, hashlib.sha256(told.encode()).hexdigest()


def has(platform: Platform, group: str, digest: str) -> bool:
    """Whether every node of the group has the archive."""
    ran = platform.run(group, f"cat {_MARKER}")
    return all(one.status == 0 and one.output.strip() == digest for one in ran)


def deploy(platform: Platform, settings: Settings, on_step: OnStep) -> bool:
    """Have the archive deployed, unless it is; whether it was."""
    archive = settings.archive
    if archive is None:
        return False
    group, digest = application(settings, archive)
    if has(platform, group, digest):
        return False
    on_step("deploy", archive.name)
    try:
        platform.deploy(archive, group)
    except NoAnswer as error:
        raise ConnectionFailed(
            f"{error.message}: whether the application was deployed isn't known",
            hint="run the command again when the platform answers: it deploys anew",
        ) from error
    on_step("deployed", archive.name)
    ran = platform.run(group, f"umask 077; printf '%s\\n' {digest} >{_MARKER}")
    if any(one.status != 0 for one in ran):
        raise NodeError(
            f"the application was deployed, and that can't be noted on the nodes of the group {group}",
            hint="is the login user's home writable there? until then each run deploys anew",
        )
    return True
