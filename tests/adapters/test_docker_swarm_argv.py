"""The swarm's docker commands, word for word."""

import asyncio
from dataclasses import replace
from pathlib import Path
from shlex import split

import pytest

from executor.adapters.docker_swarm_argv import (
    HealthPace,
    Rolling,
    ServiceSpec,
    checked_variables,
    create_argv,
    update_argv,
    with_variables,
)
from executor.adapters.local_machine import LocalMachine
from executor.errors import Permanent

SPEC = ServiceSpec(
    name="fpai-notes",
    image="sha256:abc",
    network="fpai-notes",
    memory_bytes=512,
    pids=64,
    replicas=2,
    labels={"fpai.release": "r1", "fpai.owner": "me"},
    task_labels={"fpai.release": "r1"},
    variables=("A", "B"),
    constraints=("node.labels.x==y",),
    volumes=(("fpai-notes-data", "/data"),),
    health=HealthPace(),
)
EDGE = ServiceSpec(
    name="fpaiedge-notes",
    image="sha256:def",
    network="fpai-notes",
    memory_bytes=64,
    pids=8,
    configs=(("cfg-1", "/etc/edge.cfg"),),
    publish=((18500, 8080),),
    tmpfs_bytes=1024,
    user="65534:65534",
    entrypoint="haproxy",
    command=("-W", "-f", "/etc/edge.cfg"),
    rolling=Rolling(order="stop-first"),
)
COMMON = split("""
--no-resolve-image --read-only=true --limit-memory 512 --limit-pids 64 --restart-condition any
--restart-delay 2s --stop-grace-period 10s --log-driver json-file --log-opt max-size=8388608
--log-opt max-file=2 --update-order start-first --update-failure-action rollback --update-monitor 5s
--update-parallelism 1 --update-max-failure-ratio 0 --rollback-max-failure-ratio 0
--rollback-order start-first --rollback-monitor 5s --rollback-failure-action pause
--rollback-parallelism 1 --health-interval 3s --health-timeout 10s --health-retries 5
--health-start-period 10s
""")


def test_a_service_is_made_without_capabilities_routing_mesh_or_a_question_to_an_image_registry():
    assert create_argv(SPEC) == [
        *split("docker service create --detach --name fpai-notes --replicas 2 --network fpai-notes"),
        *split("--endpoint-mode dnsrr --cap-drop ALL"),
        *split("--label fpai.owner=me --label fpai.release=r1 --container-label fpai.release=r1"),
        *split("--env A --env B --constraint node.labels.x==y"),
        *split("--mount type=volume,source=fpai-notes-data,destination=/data"),
        *split("--mount type=tmpfs,destination=/tmp,tmpfs-size=67108864,tmpfs-mode=1777"),
        *COMMON,
        "sha256:abc",
    ]


def test_an_edge_runs_once_on_each_machine_as_nobody_behind_that_machines_port():
    words = create_argv(EDGE)
    assert "--mode global" in " ".join(words)
    assert "--replicas" not in words
    assert "--publish mode=host,published=18500,target=8080" in " ".join(words)
    assert "--config source=cfg-1,target=/etc/edge.cfg,mode=0444" in " ".join(words)
    assert "--user 65534:65534 --entrypoint haproxy" in " ".join(words)
    assert "--update-order stop-first" in " ".join(words)
    assert words[-4:] == ["sha256:def", "-W", "-f", "/etc/edge.cfg"]
    assert not any(word.startswith("--health") for word in words)


def test_an_update_brings_every_setting_to_the_spec_and_takes_away_what_it_does_not_name():
    assert update_argv(SPEC, variables=["A", "OLD"]) == [
        *split("docker service update --detach --image sha256:abc --replicas 2"),
        *split("--label-add fpai.owner=me --label-add fpai.release=r1"),
        *split("--container-label-add fpai.release=r1 --env-rm OLD --env-add A --env-add B"),
        *COMMON,
        "fpai-notes",
    ]


def test_an_update_exchanges_a_configuration_by_its_name_only():
    assert "--config" not in " ".join(update_argv(EDGE, configs=["cfg-1"]))
    words = " ".join(update_argv(replace(EDGE, configs=(("cfg-2", "/etc/edge.cfg"),)), configs=["cfg-1"]))
    assert "--config-rm cfg-1 --config-add source=cfg-2,target=/etc/edge.cfg,mode=0444" in words


def test_a_droplet_that_writes_its_root_is_let():
    assert "--read-only=false" in create_argv(replace(SPEC, read_only=False))


async def test_a_command_gets_the_lines_of_a_file_word_for_word_as_its_environment(tmp_path: Path):
    file = tmp_path / "a file"
    value = "a 'b' \"c\" $HOME `id` \\n * = \t#"
    await asyncio.to_thread(file.write_text, f"SAID={value}\nEMPTY=\nLAST=  spaces  \n")
    done = await LocalMachine(tmp_path).run(with_variables(str(file), ["env", "-0"]))
    env = dict(line.split("=", 1) for line in done.stdout.decode().split("\0") if line)
    assert (env["SAID"], env["EMPTY"], env["LAST"]) == (value, "", "  spaces  ")


async def test_a_command_whose_file_is_missing_does_not_run(tmp_path: Path):
    mark = tmp_path / "ran"
    done = await LocalMachine(tmp_path).run(with_variables(str(tmp_path / "none"), ["touch", str(mark)]))
    assert done.code != 0
    assert not mark.exists()


@pytest.mark.parametrize("name", ["PATH", "HOME", "IFS", "DOCKER_HOST", "LD_PRELOAD", "a-b", "1A", "", "A B"])
def test_a_variable_that_would_steer_docker_on_the_manager_is_refused(name):
    with pytest.raises(Permanent):
        checked_variables([name])


def test_ordinary_variables_are_sorted():
    assert checked_variables(["LDAP_URL", "A", "GOOD", "DOCKERED", "HOST"]) == (
        "A",
        "DOCKERED",
        "GOOD",
        "HOST",
        "LDAP_URL",
    )
