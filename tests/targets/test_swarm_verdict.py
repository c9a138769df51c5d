"""How an update stands, from what the swarm tells."""

import pytest

from executor.adapters.docker_swarm_state import Service, Task
from executor.targets.swarm_verdict import ending, judged


def service(
    release: str = "r2", *, before: str | None = "r1", update: str = "", replicas: int = 2
) -> Service:
    earlier = {"fpai.release": before} if before else None
    return Service("1", "fpai-x", "sha256:a", {"fpai.release": release}, earlier, replicas, update=update)


def task(id: str, release: str = "r2", state: str = "running", **more) -> Task:
    wanted = more.pop("wanted", "running" if state in ("running", "starting", "pending") else "shutdown")
    options = {"problem": "", "exit_code": 0} | more
    return Task(id, "node", state, wanted, "sha256:a", labels={"fpai.release": release}, **options)


NEW = [task("a"), task("b")]


@pytest.mark.parametrize("update", ["completed", "rollback_completed"])
def test_an_update_stands_when_the_engine_holds_it_for_done_and_every_task_is_the_release(update):
    assert judged(service(update=update), NEW, "r2").kind == "standing"


@pytest.mark.parametrize("update", ["", "updating"])
def test_an_update_that_the_engine_still_watches_is_not_done_although_every_task_runs(update):
    assert judged(service(update=update), NEW, "r2").kind == "going"


def test_a_service_that_was_made_just_now_stands_when_all_run():
    assert judged(service(before=None), NEW, "r2").kind == "standing"
    assert judged(service(before=None), NEW[:1], "r2").kind == "going"


def test_a_task_of_the_earlier_release_that_still_runs_keeps_it_going():
    assert judged(service(update="completed"), [*NEW, task("c", "r1")], "r2").kind == "going"


def test_a_spec_that_names_another_release_was_rolled_back():
    tasks = [task("a", "r1"), task("b", state="failed", exit_code=3, problem="task: non-zero exit (3)")]
    found = judged(service("r1", before=None, update="rollback_completed"), tasks, "r2")
    assert (found.kind, found.words) == ("refused", "it ended with exit code 3")
    assert found.blames_release


def test_a_paused_update_is_refused():
    assert judged(service(update="rollback_paused"), NEW, "r2").kind == "refused"


def test_a_service_that_is_gone_is_refused():
    assert judged(None, [], "r2").kind == "refused"


def test_a_first_release_is_refused_at_its_first_failure_for_nobody_rolls_it_back():
    tasks = [task("a"), task("b", state="failed", exit_code=1), task("c", state="starting")]
    assert judged(service(before=None), tasks, "r2").kind == "refused"
    assert judged(service(before=None), tasks, "r2", frozenset({"b"})).kind == "going"


def test_a_failure_in_an_update_is_the_engines_to_judge():
    tasks = [task("a"), task("b", state="failed", exit_code=1)]
    assert judged(service(update="updating"), tasks, "r2").kind == "going"


def test_the_newest_failure_is_the_one_that_is_told():
    tasks = [
        task("a", state="failed", exit_code=1, at="2026-01-01T00:00:01Z"),
        task("b", state="failed", exit_code=2, at="2026-01-01T00:00:02Z"),
    ]
    assert [found.id for found in judged(service("r1"), tasks, "r2").failed] == ["b", "a"]


@pytest.mark.parametrize(
    ("problem", "blames"),
    [
        ("No such image: sha256:abc", False),
        ("no suitable node (insufficient resources on 2 nodes)", False),
        ("mkdir /var/lib/docker/x: no space left on device", False),
        ("task: non-zero exit (1)", True),
        ("starting container failed: exec: app: executable file not found", True),
    ],
)
def test_what_the_swarm_is_short_of_is_not_blamed_on_the_release(problem, blames):
    found = judged(service("r1"), [task("a", state="rejected", problem=problem)], "r2")
    assert found.blames_release is blames


def test_a_task_that_waits_says_what_for():
    waits = task("a", state="pending", problem="no suitable node (host-mode port already in use on 1 node)")
    found = judged(service(update="updating"), [waits], "r2")
    assert (found.kind, found.blames_release) == ("going", False)
    assert "0 of 2 tasks run it; one waits: no suitable node" in found.words


@pytest.mark.parametrize(
    ("how", "words"),
    [
        (
            {"problem": "task: non-zero exit (137): dockerexec: unhealthy container", "exit_code": 137},
            "health",
        ),
        ({"state": "complete"}, "health"),
        ({"problem": "task: non-zero exit (137)", "exit_code": 137}, "memory"),
        ({"problem": "task: non-zero exit (1)", "exit_code": 1}, "exit code 1"),
        ({"problem": "No such image: x"}, "No such image: x"),
    ],
)
def test_the_end_of_a_task_is_told_in_words(how, words):
    assert words in ending(task("a", **({"state": "failed"} | how)))
