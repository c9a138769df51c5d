"""`bash`: every call a fresh shell behind the walls."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from executor.agent.tool_bash import LARGEST_OUTPUT, LONGEST_COMMAND, LONGEST_SECONDS, BashTool
from executor.errors import Permanent
from executor.redaction import know
from executor.sandbox.base import Limits, SandboxCommand, SandboxResult
from tests.agent.hands import Hands, open_hands

_WS, _VENV = Path("/nowhere/ws"), Path("/nowhere/venv")


class Walls:
    """Stands for walls where a test asks what would have been run."""

    kind = "none"

    def __init__(self, *, fail: bool = False) -> None:
        self.fail = fail
        self.ran: list[SandboxCommand] = []

    async def run(self, command: SandboxCommand) -> SandboxResult:
        if self.fail:
            raise Permanent("bwrap is missing, so nothing can be run.")
        self.ran.append(command)
        return SandboxResult(0, "", 0, False, 0.0)


@pytest.fixture
def hands(tmp_path) -> Iterator[Hands]:
    with open_hands(tmp_path / "state") as made:
        yield made


async def test_a_command_runs_in_the_workspace_with_the_venv_first_on_the_path(hands):
    hands.write("file", "x")
    result = await hands.bash("pwd; ls; in-the-venv; echo $PYTHONDONTWRITEBYTECODE $HOME")
    assert result.text == "/ws\nfile\nfrom the venv\n1 /tmp"
    assert not result.is_error and result.full_output == ""


async def test_what_a_command_writes_is_there_for_the_next_one_and_for_the_editor(hands):
    await hands.bash("mkdir app && echo 'x = 1' > app/x.py")
    assert (await hands.bash("cat app/x.py")).text == "x = 1"
    assert (await hands.edit("str_replace", "app/x.py", old_str="1", new_str="2")).is_error is False
    assert (
        await hands.bash("cat app/x.py; echo '# more' >> app/x.py && tail -1 app/x.py")
    ).text == "x = 2\n# more"


async def test_an_exit_code_is_named_when_it_is_not_0_and_a_silent_command_is_said_to_be_silent(hands):
    assert (await hands.bash("echo no; exit 3")).text == "no\n[exit code 3]"
    assert (await hands.bash("true")).text == "(no output, exit code 0)"
    assert (await hands.bash("echo hi >&2")).text == "hi"


async def test_bash_itself_is_the_shell(hands):
    assert (await hands.bash("[[ a == a ]] && echo ${BASH_VERSION%%.*} | grep -c '[0-9]'")).text == "1"


@pytest.mark.parametrize("name", ["ANTHROPIC_API_KEY", "GITHUB_TOKEN"])
async def test_no_secret_of_the_daemon_reaches_a_result(hands, monkeypatch, name, ledger):
    monkeypatch.setenv(name, "canary-5d1f")
    result = await hands.bash("env; cat /proc/*/environ /proc/*/cmdline /proc/1/root/proc/*/environ; set")
    assert "PATH=/venv/bin" in result.text
    assert "canary" not in result.text + result.full_output and name not in result.text + result.full_output
    ledger.tried("commands that look for secrets", threat="secrets in logs, git and prompts")


async def test_should_the_walls_fail_a_secret_ends_at_the_result(hands):
    know(["canary-9c1e-of-the-daemon"])
    try:
        result = await hands.bash("echo key: canary-9c1e-of-the-daemon; seq 1 60000")
    finally:
        know(())
    assert result.text.startswith("key: [redacted]\n1\n")
    assert result.full_output.startswith("key: [redacted]\n1\n")
    assert "canary" not in result.text + result.full_output


async def test_there_is_no_network(hands):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        script = f"import socket; socket.create_connection({address}, 2); print('REACHED')"
        result = await hands.bash(f'python3 -c "{script}"')
    assert "REACHED" not in result.text and "exit code 1" in result.text


async def test_long_output_shows_head_and_tail_with_the_exact_number_of_bytes_between(hands):
    result = await hands.bash("seq 1 60000")
    whole = "".join(f"{number}\n" for number in range(1, 60_001))
    head, rest = result.text.split("\n[... ", 1)
    count, tail = rest.split(" ...]\n", 1)
    missing = int(count.split(" of ")[0])
    assert whole.startswith(head + "\n") and whole.rstrip("\n").endswith(tail)
    assert missing == len(whole) - len(head) - len(tail) - len("\n")
    assert f"of {len(whole)} bytes" in count and "about" not in count
    assert len(result.text) < 17_000
    assert result.full_output == whole


async def test_of_endless_output_a_mebibyte_is_kept_and_the_count_stays_exact(hands):
    result = await hands.bash("head -c 3000000 /dev/zero | tr '\\0' 'x'")
    head, count, tail = re.fullmatch(
        r"(x+)\n\[\.\.\. (\d+) of 3000000 bytes left out.*\]\n(x+)", result.text
    ).groups()
    assert len(head) + int(count) + len(tail) == 3_000_000
    assert LARGEST_OUTPUT <= len(result.full_output) < LARGEST_OUTPUT + 100


async def test_bytes_that_are_no_text_and_orders_to_a_terminal_do_no_harm(hands):
    result = await hands.bash("printf '\\033[31mred\\033[0m \\377\\000 \\a end'; printf '\\033]0;title\\007'")
    assert result.text == "red \ufffd\ufffd \ufffd end"
    binary = await hands.bash("head -c 100000 /dev/urandom")
    assert "about " in binary.text
    binary.text.encode()


async def test_a_command_that_takes_too_long_is_stopped_with_all_it_started_and_says_how_to_go_on(hands):
    hands.limits = replace(hands.limits, wall_seconds=0.5)
    result = await hands.bash("echo begun; (sleep 300 &) ; sleep 300")
    assert result.is_error
    assert result.text.startswith("begun\n[Stopped after 0.5 s")
    assert "in parts" in result.text


async def test_a_call_never_takes_longer_than_two_minutes_and_never_longer_than_the_settings_say():
    walls = Walls()
    for allowed in (300.0, 20.0):
        await BashTool(walls, _WS, _VENV, Limits(wall_seconds=allowed)).run({"command": "x"})
    assert [command.limits.wall_seconds for command in walls.ran] == [LONGEST_SECONDS, 20.0]
    assert {command.limits.output_bytes for command in walls.ran} == {LARGEST_OUTPUT}


async def test_a_command_that_is_killed_for_its_memory_is_told_so(hands):
    hands.limits = replace(hands.limits, memory_bytes=64 << 20)
    result = await hands.bash("exec python3 -c 'x = bytearray(1 << 30); x[::4096] = b\"x\" * len(x[::4096])'")
    assert "64 MiB of memory" in result.text or "MemoryError" in result.text


@pytest.mark.parametrize(
    "command", ["cd app", "export A=1", "cd app && export A=1;\nset -e", "source x", "cd"]
)
async def test_a_command_that_only_changes_the_shell_is_told_that_nothing_carries_over(hands, command):
    await hands.bash("mkdir -p app; touch x")
    result = await hands.bash(command)
    assert "do not carry over" in result.text and "cd app && ls" in result.text


async def test_directories_and_variables_do_not_carry_over(hands):
    await hands.bash("mkdir app; cd app; export A=1")
    assert (await hands.bash("pwd; echo [$A]")).text == "/ws\n[]"


@pytest.mark.parametrize(
    "command", ["mkdir -p app && cd app && ls", "A=1 env | grep -c A=", "echo cd; echo export"]
)
async def test_a_command_that_does_something_gets_no_lecture(hands, command):
    assert "carry over" not in (await hands.bash(command)).text


async def test_what_runs_in_the_background_ends_with_its_call(hands):
    result = await hands.bash("(sleep 0.2; touch late) &")
    assert "ends with the call" in result.text
    assert (await hands.bash("sleep 0.6; ls")).text == "(no output, exit code 0)"


async def test_restart_answers_that_there_is_nothing_to_restart(hands):
    result = await hands.run("bash", {"restart": True})
    assert not result.is_error and "fresh shell" in result.text
    assert (await hands.run("bash", {"restart": True, "command": "echo hi"})).text == "hi"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "`command` is missing"),
        ({"cmd": "ls"}, "given: 'cmd'"),
        ({"command": None}, "a string"),
        ({"command": ["ls"]}, "list ['ls']"),
        ({"command": "  \n"}, "empty"),
        ({"command": "echo a\0b"}, "NUL"),
        ({"command": "echo \ud800"}, "surrogates"),
        ({"command": "#" * (LONGEST_COMMAND + 1)}, "Write the text to a file"),
        ({"restart": "yes"}, "`command` is missing"),
    ],
)
async def test_wrong_arguments_are_named_and_nothing_runs(arguments, words):
    walls = Walls()
    result = await BashTool(walls, _WS, _VENV, Limits()).run(arguments)
    assert result.is_error and words in result.text
    assert walls.ran == []


async def test_the_longest_command_is_run(hands):
    command = "echo hi #"
    assert (await hands.bash(command + "x" * (LONGEST_COMMAND - len(command)))).text == "hi"


async def test_walls_that_cannot_be_made_are_no_fault_of_the_models():
    with pytest.raises(Permanent):
        await BashTool(Walls(fail=True), _WS, _VENV, Limits()).run({"command": "ls"})
