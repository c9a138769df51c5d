"""The words of jobs on a swarm, as lists."""

from pathlib import Path

import pytest

from executor.errors import Permanent
from executor.sandbox.base import Bind, Limits, SandboxCommand
from executor.sandbox.swarm_argv import Job, config_argv, network_argv, service_argv

_JOB = Job("fpai-job-1", "digest", "fpai-job-digest:abc", 2, ("node.id!=x",))


def _argv(**more) -> list[str]:
    binds = (Bind(Path("/s/ws"), "/ws", writable=True), Bind(Path("/s/venv"), "/venv"))
    command = SandboxCommand(("python", "-c", "x"), **{"binds": binds, "env": {"A": "canary"}, **more})
    return service_argv(_JOB, command)


def _values(argv: list[str], option: str) -> list[str]:
    return [argv[i + 1] for i, word in enumerate(argv) if word == option]


def test_a_job_has_the_walls_that_services_have():
    words = " ".join(_argv())
    for wall in (
        "--mode replicated-job",
        "--restart-condition none",
        "--network fpai-job-1",
        "--dns 192.0.2.1 --dns-option timeout:1 --dns-option attempts:1",
        "--cap-drop ALL",
        "--read-only",
        "--user 64000:64000",
        "--hostname sandbox",
        "--no-resolve-image",
        "--sysctl net.ipv4.ip_unprivileged_port_start=1024",
        "--label fpai.job=digest",
        "--constraint node.id!=x",
        "--mount type=tmpfs,destination=/sys,tmpfs-size=4096,tmpfs-mode=0555",
    ):
        assert f" {wall}" in words, wall
    assert "type=bind" not in words and "type=volume" not in words and "--cap-add" not in words


def test_a_jobs_network_has_no_way_out_and_no_neighbour():
    argv = network_argv(_JOB)
    assert argv[:2] == ["network", "create"] and argv[-1] == "fpai-job-1"
    assert "--internal" in argv and "--attachable" not in argv
    assert _values(argv, "--driver") == ["overlay"] and _values(argv, "--label") == ["fpai.job=digest"]


def test_each_limit_becomes_its_option():
    argv = _argv(limits=Limits(memory_bytes=64 << 20, pids=9, cpu_seconds=7, file_bytes=3 << 20))
    assert _values(argv, "--limit-memory") == [str(64 << 20)]
    assert _values(argv, "--limit-pids") == ["9"]
    assert set(_values(argv, "--ulimit")) == {"core=0", "nofile=256", "cpu=7", "fsize=3145728"}
    assert "type=tmpfs,destination=/ws,tmpfs-size=6m,tmpfs-mode=1777" in _values(argv, "--mount")


def test_only_what_may_be_written_gets_a_room_of_its_own():
    places = [mount.split(",")[1] for mount in _values(_argv(), "--mount")]
    assert places == ["destination=/sys", "destination=/tmp", "destination=/ws"]


def test_a_comma_in_a_place_adds_no_option():
    argv = _argv(binds=(Bind(Path("/s/ws"), "/ws,tmpfs-size=9g", writable=True),))
    assert _values(argv, "--mount")[-1].startswith('type=tmpfs,"destination=/ws,tmpfs-size=9g",tmpfs-size=')


def test_the_command_its_environment_and_the_key_stand_in_no_command_line():
    argv = _argv()
    assert "canary" not in " ".join(argv) and "python" not in argv[argv.index("--entrypoint") + 2 :]
    assert _values(argv, "--env") == ["FPAI_JOB_KEY"]


def test_the_files_come_in_configs_that_others_cannot_read():
    where = "uid=64000,gid=64000,mode=0400"
    assert _values(_argv(), "--config") == [
        f"source=fpai-job-1-0,target=/fpai-in/000,{where}",
        f"source=fpai-job-1-1,target=/fpai-in/001,{where}",
    ]
    assert config_argv(_JOB, "fpai-job-1-0")[-2:] == ["fpai-job-1-0", "-"]


@pytest.mark.parametrize("target", ["/usr", "/ws/../etc"])
def test_nothing_is_put_over_the_system(target):
    with pytest.raises(Permanent):
        _argv(binds=(Bind(Path("/s/ws"), target, writable=True),))
