"""Reading what a manager tells, and sorting what it refuses; the answers were recorded from Docker 20.10."""

import json

import pytest

from executor.adapters.docker_swarm import Swarm
from executor.adapters.docker_swarm_errors import swarm_error
from executor.adapters.docker_swarm_state import nodes_in, services_in, tasks_in
from executor.adapters.programs import Finished
from executor.errors import Conflict, NotFound, Permanent, Transient

SERVICE = {
    "ID": "xd53qkrj0idu7tjkt2t13jsww",
    "Version": {"Index": 18},
    "Spec": {
        "Name": "fpai-notes",
        "Labels": {"fpai.release": "r2"},
        "TaskTemplate": {
            "ContainerSpec": {
                "Image": "sha256:abc",
                "Env": ["RELEASE_ID=r2", "SAID=a=b"],
                "Configs": [{"File": {"Name": "/etc/x"}, "ConfigID": "1", "ConfigName": "fpai-notes-1"}],
            },
        },
        "Mode": {"Replicated": {"Replicas": 2}},
        "EndpointSpec": {"Mode": "dnsrr"},
    },
    "PreviousSpec": {"Name": "fpai-notes", "Labels": {"fpai.release": "r1"}, "Mode": {"Replicated": {}}},
    "Endpoint": {"Spec": {}},
    "UpdateStatus": {
        "State": "updating",
        "StartedAt": "2026-01-01T00:00:00Z",
        "Message": "update in progress",
    },
}
EDGE = {
    "ID": "yk7wptd8rm6d",
    "Spec": {
        "Name": "fpaiedge-notes",
        "Labels": {},
        "TaskTemplate": {"ContainerSpec": {"Image": "sha256:def"}},
        "Mode": {"Global": {}},
        "EndpointSpec": {
            "Mode": "dnsrr",
            "Ports": [{"Protocol": "tcp", "TargetPort": 8080, "PublishedPort": 18500, "PublishMode": "host"}],
        },
    },
    "Endpoint": {"Ports": [{"Protocol": "tcp", "TargetPort": 8080, "PublishedPort": 18500}]},
}
TASK = {
    "ID": "yk5z59mlbpcjcajxuhatzkcjv",
    "Spec": {"ContainerSpec": {"Image": "sha256:abc", "Labels": {"fpai.release": "bad"}}},
    "NodeID": "bkgrundc8jvzxseywhbdu5fe3",
    "Status": {
        "Timestamp": "2026-11-23T04:11:56.1Z",
        "State": "failed",
        "Message": "started",
        "Err": "task: non-zero exit (1)",
        "ContainerStatus": {"ContainerID": "f4d5", "PID": 0, "ExitCode": 1},
        "PortStatus": {},
    },
    "DesiredState": "shutdown",
}
NODE = {
    "ID": "bkgrundc8jvzxseywhbdu5fe3",
    "Spec": {"Labels": {"fpai.host.me": "beta"}, "Role": "worker", "Availability": "active"},
    "Description": {"Hostname": "sw2"},
    "Status": {"State": "down", "Message": "heartbeat failure", "Addr": "10.0.0.2"},
}


def test_a_service_in_an_update_is_read_with_the_release_that_a_rollback_would_bring_back():
    (found,) = services_in(json.dumps([SERVICE]))
    assert (found.name, found.image, found.replicas) == ("fpai-notes", "sha256:abc", 2)
    assert (found.labels, found.before) == ({"fpai.release": "r2"}, {"fpai.release": "r1"})
    assert (found.variables, found.configs) == (("RELEASE_ID", "SAID"), ("fpai-notes-1",))
    assert (found.update, found.told) == ("updating", "update in progress")
    assert found.published == ()


def test_a_global_service_has_a_port_and_no_number_of_replicas():
    (found,) = services_in(json.dumps([EDGE]))
    assert (found.published, found.replicas, found.before, found.update) == ((18500,), None, None, "")


def test_a_failed_task_is_read_with_what_it_died_of():
    (found,) = tasks_in(json.dumps([TASK]))
    assert found.failed
    assert not found.runs
    assert (found.problem, found.exit_code) == ("task: non-zero exit (1)", 1)
    assert found.labels == {"fpai.release": "bad"}


def test_a_task_that_still_runs_on_a_lost_machine_does_not_count_as_running():
    lost = TASK | {"Status": {"State": "running"}}
    (found,) = tasks_in(json.dumps([lost]))
    assert not found.runs


def test_a_node_is_usable_only_when_it_is_ready_and_active():
    ready = NODE | {"Status": {"State": "ready", "Addr": "10.0.0.2"}}
    drained = ready | {"Spec": {"Labels": None, "Availability": "drain"}}
    found = nodes_in(json.dumps([NODE, ready, drained]))
    assert [node.usable for node in found] == [False, True, False]
    assert found[0].labels == {"fpai.host.me": "beta"}
    assert (found[0].hostname, found[0].address) == ("sw2", "10.0.0.2")


def test_an_answer_that_was_cut_off_is_asked_again():
    with pytest.raises(Transient):
        services_in('[{"ID": "xd5')


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (1, "Error response from daemon: service fpai-x not found", NotFound),
        (1, "Status: Error: no such service: fpai-x, Code: 1", NotFound),
        (1, "Error response from daemon: task zdp90rb5 not found", NotFound),
        (1, "Error response from daemon: network 2n45k0jljtdw not found", NotFound),
        (
            1,
            "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service fpai-x",
            Conflict,
        ),
        (1, "rpc error: code = AlreadyExists desc = config fpai-x-1 already exists", Conflict),
        (1, "Error response from daemon: This node is not a swarm manager. Use docker swarm init", Permanent),
        (1, "rpc error: code = Unknown desc = update out of sequence", Transient),
        (1, "The swarm does not have a leader. It's possible that too few managers are online.", Transient),
        (1, "Error response from daemon: rpc error: code = DeadlineExceeded desc = ...", Transient),
        (1, "Cannot connect to the Docker daemon at unix:///var/run/docker.sock.", Transient),
        (97, "fpai: this deploy lock has a newer holder", Transient),
        (127, "sh: docker: not found", Permanent),
        (1, "Got permission denied while trying to connect to the Docker daemon socket", Permanent),
        (1, "invalid argument", Permanent),
    ],
)
def test_what_a_manager_refuses_is_sorted_by_what_to_do_next(code, said, kind):
    error = swarm_error(Finished(code, b"", said.encode(), 0), "alpha")
    assert type(error) is kind


def test_what_is_still_in_use_is_told_from_what_failed():
    said = b"rpc error: code = FailedPrecondition desc = network 1 is in use by task 2"
    assert swarm_error(Finished(1, b"", said, 0), "alpha").code == "IN_USE"


class Scripted:
    """A machine whose docker says what it is told to."""

    name = "alpha"

    def __init__(self, *answers: Finished | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[list[str]] = []

    async def run(self, argv, *, stdin=b"", timeout=60.0, limit=1):
        self.asked.append(list(argv))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


async def test_a_log_that_a_lost_machine_holds_back_is_said_to_be_missing():
    machine = Scripted(Transient("docker did not finish within 15 s."))
    assert "no log" in await Swarm(machine).logs("fpai-notes", 5)


async def test_a_task_that_was_forgotten_between_two_questions_is_left_out():
    machine = Scripted(
        Finished(0, b"one\ntwo\n", b"", 0),
        Finished(1, json.dumps([TASK]).encode(), b"Error: No such task: one", 0),
    )
    assert [task.id for task in await Swarm(machine).tasks("fpai-notes")] == [TASK["ID"]]


async def test_a_guard_goes_before_changes_only():
    machine = Scripted(Finished(0, b"[]", b"", 0), Finished(0, b"", b"", 0))
    swarm = Swarm(machine).guarded(("guard", "7"))
    await swarm.service("fpai-notes")
    await swarm.remove("fpai-notes")
    assert [words[0] for words in machine.asked] == ["docker", "guard"]
