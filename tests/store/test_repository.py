"""Reading builds back: pages, events, artifacts and history."""

from __future__ import annotations

import asyncio

import pytest

from executor.domain.build import State
from executor.domain.outcome import Artifact
from executor.errors import NotFound, StaleView
from executor.store.builds import StepRun
from tests.store.conftest import advance, make_build, stored


async def test_pages_follow_one_another_newest_first_also_where_builds_began_at_the_same_time(store):
    # 0.1 + 0.2 has no short decimal form: a cursor that rounds it would skip or repeat a build.
    await stored(store, *(make_build(n, created_at=0.1 + 0.2 + n // 3) for n in range(1, 11)))
    seen: list[str] = []
    cursor = None
    while True:
        page = await store.builds.page(limit=3, cursor=cursor)
        seen += [build.id for build in page.builds]
        if (cursor := page.cursor) is None:
            break
    every = await store.builds.page(limit=100)
    assert seen == [build.id for build in every.builds]
    assert len(set(seen)) == 10
    assert [b.created_at for b in every.builds] == sorted((b.created_at for b in every.builds), reverse=True)


async def test_pages_can_be_of_some_states_or_of_one_droplet(store):
    await stored(store, make_build(1), make_build(2, state=State.FAILED), make_build(3))
    failed = await store.builds.page(states=[State.FAILED])
    assert [b.id for b in failed.builds] == ["build-2"]
    odd = await store.builds.page(droplet_id=21)
    assert [b.id for b in odd.builds] == ["build-3", "build-1"]


async def test_a_build_comes_back_as_it_was_written_after_the_cache_has_forgotten_it(store):
    build = make_build()
    await stored(store, build)
    moved = await advance(store, build, events=["a"])
    store.builds.forget(build.id)
    assert await store.builds.get(build.id) == moved


async def test_a_checkpoint_from_an_older_view_is_refused_and_writes_nothing(store):
    build = make_build()
    await stored(store, build)
    await advance(store, build, events=["first"])
    with pytest.raises(StaleView):
        await advance(store, build, events=["second"], artifacts=[Artifact("spec", "x")])
    assert [e.event_type for e in await store.builds.events(build.id)] == ["first"]
    assert await store.builds.artifact(build.id, "spec") is None


async def test_of_many_checkpoints_from_one_view_exactly_one_is_taken(store):
    build = make_build()
    await stored(store, build)
    ends = await asyncio.gather(
        *(advance(store, build, events=[f"e{n}"]) for n in range(20)), return_exceptions=True
    )
    assert sum(isinstance(end, StaleView) for end in ends) == 19
    assert len(await store.builds.events(build.id)) == 1


async def test_events_after_a_number_come_in_order_and_in_pages(store):
    build = make_build()
    await stored(store, build)
    build = await advance(store, build, events=["a", "b"])
    await advance(store, build, events=["c", "d"])
    after = await store.builds.events(build.id, after=1, limit=2)
    assert [(e.seq, e.event_type) for e in after] == [(2, "b"), (3, "c")]
    assert after[0].data == {"n": 2}
    assert await store.builds.events(build.id, after=4) == []


async def test_every_version_of_an_artifact_is_kept_and_the_newest_is_the_one_that_counts(store):
    build = make_build()
    await stored(store, build)
    build = await advance(store, build, artifacts=[Artifact("spec", "one", {"score": 1})])
    await advance(store, build, artifacts=[Artifact("spec", "two"), Artifact("diff", "d")])
    newest = await store.builds.artifact(build.id, "spec")
    assert (newest["version"], newest["body"]) == (2, "two")
    first = await store.builds.artifact(build.id, "spec", 1)
    assert (first["body"], first["meta"]) == ("one", {"score": 1})
    assert await store.builds.artifact(build.id, "spec", 3) is None
    assert [v["version"] for v in await store.builds.artifact_versions(build.id, "spec")] == [1, 2]


async def test_history_is_of_completed_attempts_only_the_newest_of_each_step_oldest_first(store):
    build = make_build()
    await stored(store, build)
    for number in range(6):
        build = await advance(store, build, run=StepRun(2, 1, "done", 0.0, float(number)))
    build = await advance(store, build, run=StepRun(2, 1, "retry", 0.0, 999.0))
    await advance(store, build, run=StepRun(5, 1, "done", 0.0, 25.0))
    assert await store.builds.history(limit=3) == [(2, 3.0), (2, 4.0), (2, 5.0), (5, 25.0)]


async def test_an_unknown_build_is_not_found_and_an_unfinished_one_is_loaded(store):
    await stored(store, make_build(1, state=State.COMPLETE), make_build(2), make_build(3))
    assert [b.id for b in await store.builds.unfinished()] == ["build-2", "build-3"]
    with pytest.raises(NotFound):
        await store.builds.get("build-9")
