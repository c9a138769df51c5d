"""Taking a release back: what serves then, and what the registry is told, whatever goes wrong meanwhile."""

from __future__ import annotations

import shutil

import pytest

from executor.domain.build import State
from executor.errors import Conflict


async def test_a_rollback_puts_the_release_before_back_and_a_second_one_leaves_nothing(house):
    first, second = await house.made(), await house.made()
    assert list(house.target.running) == [second.facts["release"]]
    await house.commands.rollback(second.id)
    back = await house.until(second.id, State.ROLLED_BACK)
    assert list(house.target.running) == [first.facts["release"]]
    assert back.facts["deployment_url"] == house.target.running[first.facts["release"]]
    await house.commands.rollback(first.id)
    await house.until(first.id, State.ROLLED_BACK)
    assert house.target.running == {}
    assert await house.store.droplets.live(first.droplet_id) is None


async def test_a_rollback_of_a_superseded_build_leaves_the_release_that_serves_alone(house):
    first, second = await house.made(), await house.made()
    await house.commands.rollback(first.id)
    await house.until(first.id, State.ROLLED_BACK)
    assert list(house.target.running) == [second.facts["release"]]
    await house.commands.rollback(second.id)
    await house.until(second.id, State.ROLLED_BACK)
    assert house.target.running == {}, "a withdrawn release came back"


async def test_an_earlier_release_whose_files_are_gone_does_not_keep_a_rollback_from_ending(house):
    first, second = await house.made(), await house.made()
    shutil.rmtree(house.target.places.release(first.droplet_name, first.facts["release"]))
    await house.commands.rollback(second.id)
    back = await house.until(second.id, State.ROLLED_BACK)
    assert house.target.running == {}
    assert back.facts["deployment_url"] is None
    lines = [line["text"] for line in await house.store.log_lines.page(second.id)]
    assert any("cannot serve again" in line for line in lines)


async def test_a_registry_that_fails_once_during_a_rollback_hears_of_it_in_the_end(registered, registry):
    first, second = await registered.made(), await registered.made()
    registry.fail(1)
    await registered.commands.rollback(second.id)
    await registered.until(second.id, State.ROLLED_BACK)
    url = registered.target.running[first.facts["release"]]
    assert registry.droplets[first.droplet_id]["endpoint"] == url


async def test_a_registry_entry_that_somebody_else_took_over_is_left_to_them(registered, registry):
    build = await registered.made()
    registry.add(build.droplet_id, "stranger")
    await registered.commands.rollback(build.id)
    await registered.until(build.id, State.ROLLED_BACK)
    assert registry.droplets[build.droplet_id]["name"] == "stranger"


async def test_a_release_withdrawn_while_the_keeper_starts_it_again_does_not_stay_up(house):
    build = await house.made()
    house.target.running.clear()  # a reboot

    async def meanwhile(release_id: str) -> None:
        house.target.while_starting = None
        await house.commands.rollback(build.id)
        await house.until(build.id, State.ROLLED_BACK)

    house.target.while_starting = meanwhile
    await house.daemon.keeper.look()
    assert house.target.started == [build.facts["release"]] * 2
    assert house.target.running == {}


async def test_a_release_superseded_while_the_keeper_starts_it_again_does_not_stay_up(house):
    first = await house.made()
    house.target.running.clear()
    made = []

    async def meanwhile(release_id: str) -> None:
        house.target.while_starting = None
        made.append(await house.made())

    house.target.while_starting = meanwhile
    await house.daemon.keeper.look()
    assert house.target.started.count(first.facts["release"]) == 2
    assert list(house.target.running) == [made[0].facts["release"]]


async def test_the_keeper_goes_on_looking_after_a_release_whose_files_it_cannot_read(house):
    build, other = await house.made(), await house.made(intent="Build a Ledger Droplet for payments")
    shutil.rmtree(house.target.places.release(build.droplet_name, build.facts["release"]))
    house.target.running.clear()
    await house.daemon.keeper.look()
    assert list(house.target.running) == [other.facts["release"]]


async def test_a_rollback_goes_to_the_release_that_a_person_names(house):
    first, second, third = await house.made(), await house.made(), await house.made()
    await house.commands.rollback(third.id, to=first.facts["release"])
    back = await house.until(third.id, State.ROLLED_BACK)
    assert list(house.target.running) == [first.facts["release"]]
    assert back.facts["deployment_url"] == house.target.running[first.facts["release"]]
    live = await house.store.droplets.live(first.droplet_id)
    assert live.id == first.facts["release"]
    with pytest.raises(Conflict, match="serves, not that of build"):
        await house.commands.rollback(second.id, to=third.id)


async def test_a_named_release_that_cannot_serve_leaves_the_one_that_does_in_place(house):
    first, _, third = await house.made(), await house.made(), await house.made()
    house.target.unfit.add(first.facts["release"])
    await house.commands.rollback(third.id, to=first.id)
    kept = await house.until(third.id, State.COMPLETE)
    told = [event.message for event in await house.store.builds.events(kept.id)]
    assert "goes on serving" in told[-1]
    assert list(house.target.running) == [third.facts["release"]]
    assert (await house.store.droplets.live(third.droplet_id)).id == third.facts["release"]
    await house.commands.rollback(third.id)
    await house.until(third.id, State.ROLLED_BACK)


async def test_a_release_that_nobody_knows_is_refused_with_those_that_are_kept(house):
    first, second = await house.made(), await house.made()
    with pytest.raises(Conflict) as refused:
        await house.commands.rollback(second.id, to="build-99")
    assert refused.value.details["releases"] == [first.facts["release"]]
    assert (await house.store.builds.get(second.id)).state is State.COMPLETE
