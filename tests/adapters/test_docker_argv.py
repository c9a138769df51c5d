"""Docker's commands word for word: what a container may is the same for all, and no word is a secret."""

from itertools import pairwise

from executor.adapters.docker_argv import (
    BuildSpec,
    ContainerSpec,
    build_argv,
    containers_argv,
    images_argv,
    run_argv,
)

LEAST = ContainerSpec(name="fpai-notes-1", image="sha256:abc", network="fpai", labels={})
MOST = ContainerSpec(
    name="fpai-edge-notes",
    image="edge:1",
    network="fpai",
    labels={"b": "two words", "a": "$HOME"},
    env_file="/root/env file",
    volumes=("fpai-notes-data:/data",),
    mounts=("/root/edge:/etc/edge:ro",),
    publish=("127.0.0.1:8500:8080", "8501:8081"),
    memory_bytes=64 << 20,
    pids=64,
    read_only=False,
    tmpfs=("/tmp:size=1m", "/run:size=1m"),
    restart="no",
    user="65534:65534",
    entrypoint="haproxy",
    command=("-W", "-db"),
    stop_timeout=3,
    log_bytes=1 << 20,
)


def pairs(argv: list[str]) -> set[tuple[str, str]]:
    return set(pairwise(argv))


def test_a_container_has_no_capability_no_new_privilege_and_bounds_by_itself():
    assert run_argv(LEAST) == [
        "docker", "run", "--detach", "--pull", "never", "--name", "fpai-notes-1", "--network", "fpai",
        "--restart", "always", "--cap-drop", "ALL", "--security-opt", "no-new-privileges",
        "--memory", "536870912", "--memory-swap", "536870912", "--pids-limit", "128", "--stop-timeout", "10",
        "--log-driver", "json-file", "--log-opt", "max-size=4194304", "--log-opt", "max-file=2",
        "--read-only", "--tmpfs", "/tmp:size=64m", "sha256:abc",
    ]  # fmt: skip


def test_everything_that_is_asked_for_is_in_the_command_and_the_images_words_come_last():
    argv = run_argv(MOST)
    assert argv[-5:] == ["--entrypoint", "haproxy", "edge:1", "-W", "-db"]
    assert "--read-only" not in argv
    assert pairs(argv) >= {
        ("--env-file", "/root/env file"),
        ("--volume", "fpai-notes-data:/data"),
        ("--volume", "/root/edge:/etc/edge:ro"),
        ("--publish", "127.0.0.1:8500:8080"),
        ("--publish", "8501:8081"),
        ("--memory", "67108864"),
        ("--memory-swap", "67108864"),
        ("--pids-limit", "64"),
        ("--tmpfs", "/tmp:size=1m"),
        ("--tmpfs", "/run:size=1m"),
        ("--restart", "no"),
        ("--user", "65534:65534"),
        ("--stop-timeout", "3"),
        ("--log-opt", "max-size=524288"),
    }
    labels = [word for option, word in pairwise(argv) if option == "--label"]
    assert labels == ["a=$HOME", "b=two words"]


def test_no_command_sets_a_variable_or_gives_a_privilege():
    for argv in (run_argv(LEAST), run_argv(MOST)):
        assert not {"-e", "--env", "--privileged", "--cap-add", "--device", "--pid", "--ipc"} & set(argv)


def test_a_build_uses_what_is_here_and_leaves_no_container():
    spec = BuildSpec("/srv/source", "fpai/notes:building-1", {"z": "1", "fpai.release": "r1"})
    assert build_argv(spec) == [
        "docker", "build", "--quiet", "--pull=false", "--rm", "--force-rm", "--tag", "fpai/notes:building-1",
        "--label", "fpai.release=r1", "--label", "z=1", "/srv/source",
    ]  # fmt: skip


def test_containers_and_images_are_listed_by_all_of_their_labels():
    listed = ["--quiet", "--no-trunc", "--filter", "label=a=1", "--filter", "label=b=2"]
    assert containers_argv({"b": "2", "a": "1"}) == ["docker", "ps", "--all", *listed]
    assert images_argv({"b": "2", "a": "1"}) == ["docker", "image", "ls", *listed]
    assert images_argv({}) == ["docker", "image", "ls", "--quiet", "--no-trunc"]
