"""The words of docker's walls, as lists."""

from pathlib import Path

import pytest

from executor.errors import Permanent
from executor.sandbox.base import Bind, Limits, SandboxCommand
from executor.sandbox.docker_argv import Container, bind_option, create_argv, env_lines

_CONTAINER = Container("fpai-s-1", "digest", "sha256:abc", 64000, frozenset({"GPG_KEY", "PATH", "LANG"}))


def _argv(**more) -> list[str]:
    binds = (Bind(Path("/state/ws"), "/ws", writable=True), Bind(Path("/state/venv"), "/venv"))
    command = SandboxCommand(("python", "-c", "x y"), **{"binds": binds, **more})
    return create_argv(_CONTAINER, command, env_file="/proc/self/fd/9")


def _values(argv: list[str], option: str) -> list[str]:
    return [argv[i + 1] for i, word in enumerate(argv) if word == option]


def test_every_wall_of_the_trust_notes_is_there():
    argv = _argv()
    words = " ".join(argv)
    for wall in (
        "--network none",
        "--cap-drop ALL",
        "--security-opt no-new-privileges",
        "--read-only",
        "--user 64000:64000",
        "--ipc private",
        "--hostname sandbox",
        "--log-driver none",
        "--pull never",
        "--tmpfs /tmp:rw,exec,nosuid,nodev,size=268435456",
        "--tmpfs /sys:ro",
        "--label fpai.sandbox=digest",
    ):
        assert f" {wall}" in words, wall
    assert "--privileged" not in argv and "-v" not in argv and "docker.sock" not in words


def test_each_limit_becomes_its_option():
    limits = Limits(memory_bytes=64 << 20, pids=9, cpu_seconds=7, file_bytes=1 << 20, wall_seconds=2.5)
    argv = _argv(limits=limits)
    assert _values(argv, "--memory") == _values(argv, "--memory-swap") == [str(64 << 20)]
    assert _values(argv, "--pids-limit") == ["9"]
    assert set(_values(argv, "--ulimit")) == {"core=0", "nofile=256", "cpu=7", "fsize=1048576"}
    assert argv[argv.index("sandbox", argv.index("-c")) + 1 :] == ["12", "python", "-c", "x y"]


def test_no_bound_is_given_where_none_is_wanted():
    assert set(_values(_argv(limits=Limits(cpu_seconds=0, file_bytes=0)), "--ulimit")) == {
        "core=0",
        "nofile=256",
    }


def test_just_the_system_and_the_commands_own_binds_are_seen():
    mounts = [line.split(",") for line in _values(_argv(), "--mount")]
    assert ["type=bind", "source=/usr", "target=/usr", "readonly"] in mounts
    assert ["type=bind", "source=/state/ws", "target=/ws"] in mounts
    assert ["type=bind", "source=/state/venv", "target=/venv", "readonly"] in mounts
    rest = {mount[1] for mount in mounts} - {"source=/usr", "source=/state/ws", "source=/state/venv"}
    assert rest <= {"source=/etc/alternatives", "source=/etc/ld.so.cache"}
    assert [mount[2] for mount in mounts if "readonly" not in mount] == ["target=/ws"]


def test_a_comma_or_a_quote_in_a_path_adds_no_option():
    assert bind_option('/a,readonly="x', "/ws", writable=True) == (
        'type=bind,"source=/a,readonly=""x",target=/ws'
    )


@pytest.mark.parametrize("target", ["/", "/usr", "/etc/x", "/proc", "ws", "/ws/../usr"])
def test_nothing_is_bound_over_the_system(target):
    with pytest.raises(Permanent):
        _argv(binds=(Bind(Path("/state/ws"), target),))


def test_variables_of_the_image_are_taken_away_unless_they_are_given():
    assert _values(_argv(), "-e") == ["GPG_KEY"]
    assert _values(_argv(env={"GPG_KEY": "mine"}), "-e") == []


def test_no_value_of_the_environment_stands_in_the_words():
    argv = _argv(env={"TOKEN": "canary"})
    assert "canary" not in " ".join(argv)
    assert _values(argv, "--env-file") == ["/proc/self/fd/9"]


def test_the_environment_is_whole_and_what_is_given_wins():
    lines = env_lines({"PATH": "/venv/bin", "A": "b=c #d"}).decode().splitlines()
    assert set(lines) == {"PATH=/venv/bin", "HOME=/tmp", "LANG=C.UTF-8", "A=b=c #d"}


@pytest.mark.parametrize(
    ("name", "value"),
    [("A", "two\nlines"), ("A", "nul\0"), ("A", "x" * 70_000), ("#A", "x"), ("A B", "x"), ("", "x")],
)
def test_what_dockers_file_cannot_hold_is_refused_and_never_cut(name, value):
    with pytest.raises(Permanent):
        env_lines({name: value})
