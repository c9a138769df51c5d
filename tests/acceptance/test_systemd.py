"""The service under a real systemd: installed, ready, watched, killed, rebooted; its droplets outlive it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest

from tests.proof.scale import IN_FULL
from tests.testbed.systemd_box import SystemdBox, installed, made_wheel

pytestmark = [
    pytest.mark.testbed,
    pytest.mark.skipif(
        os.geteuid() != 0 or not shutil.which("docker"), reason="the box needs root and Docker"
    ),
]
BLOWS = ("kill -9", "reboot", "power cut") if IN_FULL else ("reboot",)
ENDED = {"complete", "failed", "cancelled", "waiting_input"}


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SystemdBox]:
    with installed("fpai", made_wheel(tmp_path_factory.mktemp("wheel"))) as one:
        yield one


@pytest.fixture(scope="module")
def live(box: SystemdBox) -> dict[str, str]:
    """A droplet that was built, tested behind the walls and deployed in the box."""
    build_id = box.submit("Build a Library Droplet that stores books with title and year")
    box.until(lambda: box.build(build_id).get("status") in ENDED, "the first build ends", 240)
    status = box.build(build_id)
    assert status["status"] == "complete", status
    return {"url": status["deployment_url"], "unit": release_units(box)[0]}


def release_units(box: SystemdBox) -> list[str]:
    words = ("systemctl", "list-units", "--plain", "--no-legend", "--state=active", "fpai-release@*")
    return [line.split()[0] for line in box.run(*words).splitlines()]


def answers(box: SystemdBox, url: str) -> bool:
    fetch = f"import urllib.request; print(urllib.request.urlopen('{url}/health', timeout=5).status)"
    return box.run("/usr/bin/python3", "-c", fetch, check=False).strip() == "200"


def restarts(box: SystemdBox) -> int:
    return int(box.shown("fpai", "NRestarts") or 0)


def test_the_start_waits_until_it_is_ready_and_a_status_is_told(box):
    assert box.is_active()
    assert box.shown("fpai", "Type") == "notify"
    assert box.shown("fpai", "StatusText")
    assert box.shown("fpai", "User") == "fpai"


def test_doctor_finds_walls_that_stand_inside_the_unit(box):
    told = box.run("fpai", "doctor", check=False)
    assert "bubblewrap: its walls stand" in told, told


def test_the_unit_is_exposed_no_more_than_its_reasons_explain(box):
    words = ("systemd-analyze", "security", "--no-pager", "--threshold=32", "fpai")
    told = box.run(*words)  # its exit code says whether the exposure is at most 3.2
    assert "Overall exposure level for fpai.service" in told


def test_the_journal_knows_the_level_of_each_line(box):
    entries = box.journal("fpai")
    ready = [one for one in entries if '"event": "ready"' in str(one["MESSAGE"])]
    assert {one["PRIORITY"] for one in ready} == {"6"}
    assert {one["_SYSTEMD_UNIT"] for one in ready} == {"fpai.service"}


def test_a_droplet_that_was_built_inside_the_unit_outlives_its_restart(box, live):
    assert answers(box, live["url"])
    before = box.shown(live["unit"], "MainPID")
    box.run("systemctl", "restart", "fpai")
    assert box.is_active()
    assert box.shown(live["unit"], "MainPID") == before != "0"
    assert answers(box, live["url"])


def test_a_loop_that_hangs_is_ended_by_the_watchdog_and_started_again(box):
    before, pid = restarts(box), box.shown("fpai", "MainPID")
    box.run("kill", "-STOP", pid)
    box.until(lambda: restarts(box) > before and box.is_active(), "the watchdog bites")
    assert any("Watchdog timeout" in str(one["MESSAGE"]) for one in box.journal("fpai"))


@pytest.mark.parametrize("blow", BLOWS)
def test_r1_a_build_goes_on_after(box, live, blow, ledger):
    build_id = box.submit(f"Build a {blow.split()[0].title()} Droplet that stores notes with text")
    box.until(lambda: box.build(build_id).get("current_step", 0) >= 3, "the build is under way")
    before = restarts(box)
    if blow == "kill -9":
        box.run("systemctl", "kill", "--signal=KILL", "fpai")
        box.until(lambda: restarts(box) > before, "it is started again")
    else:
        box.reboot() if blow == "reboot" else box.cut_power()
    box.until(box.is_active, "the daemon is back")
    box.until(lambda: box.build(build_id).get("status") in ENDED, "the build ends", 240)
    assert box.build(build_id)["status"] == "complete"
    box.until(lambda: answers(box, live["url"]), "the first droplet serves again")
    ledger.tried(f"builds under systemd through a {blow}")
