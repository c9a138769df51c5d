"""Every attempt of the table in attacks.py, against both kinds of wall."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from executor.sandbox.base import Bind
from tests.sandbox.attacks import ATTACKS, CANARY, DRIVER, judge, limits_of, script_of, world_to_attack

THREAT = "sandbox escapes"


@pytest.fixture
def context(places, tmp_path) -> Iterator[dict[str, Any]]:
    """Real things to attack: keys, listeners, a neighbour, a process of the sandbox's own uid."""
    with world_to_attack(places, tmp_path) as made:
        yield made


@pytest.fixture
def venv(places, monkeypatch) -> Iterator[Path]:
    """A venv that others share, and a key in the daemon's environment."""
    monkeypatch.setenv("DAEMON_KEY", CANARY)
    made: Path = places.venvs / "v"
    made.mkdir()
    (made / "lib.py").write_text("whole")
    (made / "lib.py").chmod(0o644)
    yield made
    assert (made / "lib.py").read_text() == "whole"


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda name: name.replace(" ", "-"))
async def test_the_walls_hold_against_an_attempt_to(attack, sandbox, commands, context, venv, ledger):
    context["first"] = "bwrap"
    command = commands.python(
        script_of(attack), Bind(venv, "/venv"), limits=limits_of(attack), CTX=json.dumps(context)
    )
    judge(attack, (await sandbox.run(command)).output)
    ledger.tried("attacks on bubblewrap", threat=THREAT)


@pytest.mark.parametrize("which", ["all but the enormous file", "the enormous file"])
async def test_the_walls_of_docker_hold_against_every_one_of_these_attempts(
    which, docker_walls, commands, context, venv, ledger
):
    attacks = [name for name in ATTACKS if ("enormous" in name) == (which == "the enormous file")]
    context["first"] = "timeout -s KILL"
    scripts = [(name, script_of(name)) for name in attacks]
    (commands.workspace / "attacks.json").write_text(json.dumps(scripts))
    command = commands.python(
        DRIVER, Bind(venv, "/venv"), limits=limits_of(attacks[0]), CTX=json.dumps(context)
    )
    result = await docker_walls.run(command)
    tried = dict(json.loads(line) for line in result.output.splitlines())
    assert sorted(tried) == sorted(attacks), result
    for name, output in tried.items():
        judge(name, output)
    ledger.tried("attacks on docker", len(tried), threat=THREAT)


def test_the_table_of_attacks_is_as_long_as_promised():
    assert len(ATTACKS) >= 25
