"""The Cloud Scripting export: its commands, run on a real node as the platform runs them."""

from __future__ import annotations

import pytest
from support.backend import echoes
from support.exporting import World, held, run_script

PLATFORM = '[environment.jelastic]\nhoster = "example.com"\nenv_name = "chat"\n'
NODE = '[environment.jelastic.application]\ntype = "nodejs"\ncount = 2\n'


@pytest.mark.nginx
def test_its_commands_bring_real_machines_up(world: World) -> None:
    document = held(world.export("jps", world.manifest() + PLATFORM + NODE))
    assert document["onInstall"] == ["applyApplication", "applyRoutes"]
    assert document["onAfterScaleOut [bl]"] == document["onAfterRedeployContainer [bl]"] == ["applyRoutes"]
    actions = document["actions"]
    for group, name in (("cp", "applyApplication"), ("bl", "applyRoutes")):
        command = actions[name][f"cmd [{group}]"]
        command = command.replace("${env.domain}", "env.example.com").replace(
            "${nodes.cp[0].intIP}", "127.0.0.1"
        )
        assert "${" not in command
        # As the platform runs it: in a subshell of bash.
        for said in ("changed", "nothing to change"):
            code, out = run_script(f"({command})\n", world.folder, shell="bash")
            assert code == 0, out
            assert said in out
    assert "ws://env.example.com/ws/" in (world.target / "current/public/chat.js").read_text()
    assert echoes(world.node.port)
