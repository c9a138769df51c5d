"""Step 6 replaces only the release that a build was made from."""

from __future__ import annotations

from executor.domain.build import State
from executor.errors import Transient


async def _approve(house, build_id: str) -> None:
    await house.commands.approve(build_id, checkpoint=None, decision="approve", feedback="", gate_id=None)


async def test_code_that_was_built_on_a_release_withdrawn_meanwhile_is_not_deployed(house):
    first = await house.made()
    second = await house.submit(approval_mode="final")
    await house.until(second.id, State.WAITING_APPROVAL)
    await house.commands.rollback(first.id)
    await house.until(first.id, State.ROLLED_BACK)
    await _approve(house, second.id)
    failed = await house.until(second.id)
    assert failed.error["code"] == "BASE_MOVED"
    assert f"fpai retry {second.id} --from 1" in failed.error["hint"]
    assert house.target.running == {}
    await house.commands.retry(second.id, 1)
    await house.until(second.id, State.WAITING_APPROVAL)
    await _approve(house, second.id)
    assert (await house.until(second.id)).state is State.COMPLETE


async def test_an_old_failed_build_does_not_replace_a_newer_release(house):
    old = await house.submit()
    await house.until(old.id, State.IN_PROGRESS)
    await house.commands.cancel(old.id)
    await house.until(old.id)
    newer = await house.made()
    await house.commands.retry(old.id, None)
    ended = await house.until(old.id)
    live = await house.store.droplets.live(newer.droplet_id)
    assert live.build_id == newer.id or ended.facts["base_commit"] == newer.facts["commit"]


async def test_r4_a_release_that_is_not_fit_is_sent_back_and_the_earlier_one_goes_on_serving(house):
    first = await house.made()
    second = await house.submit(approval_mode="final")
    waiting = await house.until(second.id, State.WAITING_APPROVAL)
    unfit = f"{second.id}-{waiting.facts['commit'][:8]}"
    house.target.unfit.add(unfit)
    await _approve(house, second.id)
    again = await house.until(second.id, State.WAITING_APPROVAL)
    assert again.repairs == 1
    assert unfit not in house.target.running
    assert (await house.store.droplets.live(first.droplet_id)).id == first.facts["release"]
    assert list(house.target.running) == [first.facts["release"]]


async def test_what_a_build_started_and_never_switched_to_ends_before_it_deploys_another_commit(house):
    build = await house.submit(approval_mode="final")
    waiting = await house.until(build.id, State.WAITING_APPROVAL)
    abandoned = f"{build.id}-{waiting.facts['commit'][:8]}"
    house.target.refused.add(abandoned)
    await _approve(house, build.id)
    assert (await house.until(build.id)).state is State.FAILED
    assert abandoned in house.target.running
    await house.made()  # another release, on which the next attempt is built
    await house.commands.retry(build.id, 1)
    await house.until(build.id, State.WAITING_APPROVAL)
    await _approve(house, build.id)
    done = await house.until(build.id)
    assert done.state is State.COMPLETE, done.error
    assert done.facts["release"] != abandoned
    assert list(house.target.running) == [done.facts["release"]]


async def test_r4_a_release_that_fails_after_it_was_switched_to_gives_way_to_the_earlier_one_on_a_cancel(
    house,
):
    first = await house.made()
    second = await house.submit(approval_mode="final")
    waiting = await house.until(second.id, State.WAITING_APPROVAL)
    switched_to = f"{second.id}-{waiting.facts['commit'][:8]}"

    async def crash() -> None:
        house.target.while_pruning = None
        house.target.unfit.add(switched_to)
        raise Transient("The machine is away for a moment.")

    house.target.while_pruning = crash
    await _approve(house, second.id)
    await house.until(second.id, State.WAITING_RETRY)
    assert (await house.store.droplets.live(first.droplet_id)).id == switched_to
    await house.commands.retry(second.id, None)
    await house.until(second.id, State.WAITING_APPROVAL)
    await house.commands.cancel(second.id)
    await house.until(second.id, State.CANCELLED)
    assert (await house.store.droplets.live(first.droplet_id)).id == first.facts["release"]
    assert list(house.target.running) == [first.facts["release"]]
