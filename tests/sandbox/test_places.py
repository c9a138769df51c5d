"""Where things lie, and who may enter."""

import os
import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.errors import Invalid
from executor.sandbox.identity import SANDBOX_UID, release_uid, walled_uid
from executor.sandbox.places import Places, safe_name


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_as_root_the_places_of_two_state_directories_are_apart_and_below_no_home(tmp_path):
    first, second = Places.of(tmp_path / "a"), Places.of(tmp_path / "b")
    assert first.root != second.root
    assert first.changes_uid is (os.geteuid() == 0)


def test_the_same_state_directory_by_another_name_has_the_same_places(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert Places.of(tmp_path / "link") == Places.of(tmp_path / "a")


def test_a_workspace_belongs_to_the_sandbox_alone(places):
    workspace = places.workspace("build-13-x-20260101-001")
    assert _mode(workspace) == 0o700
    assert workspace.stat().st_uid == (SANDBOX_UID if places.changes_uid else os.geteuid())
    assert _mode(workspace.parent) == 0o711


def test_data_belongs_to_the_droplet_and_is_the_same_for_each_release(places):
    data = places.data("notes", 21)
    assert data == places.data("notes", 21)
    assert data.stat().st_uid == (release_uid(21) if places.changes_uid else os.geteuid())


def test_the_daemons_own_directories_are_closed_to_everyone_else(places):
    assert _mode(places.caches) == 0o700
    assert _mode(places.launches) == 0o700


def test_each_scratch_directory_is_new(places):
    assert places.scratch("x") != places.scratch("x")


def test_socket_directories_are_short_enough_for_a_socket_however_deep_the_state_lies(tmp_path):
    deep = Places(tmp_path.joinpath(*["deep"] * 30), os.geteuid())
    made = deep.socket_directory("probe")
    assert len(str(made / "droplet.sock")) < 107
    made.rmdir()
    made.parent.rmdir()


@pytest.mark.parametrize(
    "name", ["../x", "", ".", "..", "a/b", "/etc", "a\0b", "-rf", ".hidden", "x" * 200, "a b"]
)
def test_names_that_could_leave_their_directory_are_refused(places, name):
    with pytest.raises(Invalid):
        places.workspace(name)


@given(st.text(max_size=40))
def test_a_safe_name_is_always_one_segment_below_its_parent(name):
    try:
        safe = safe_name(name)
    except Invalid:
        return
    assert Path("/a", safe).parent == Path("/a") and not safe.startswith(".")


def test_a_path_through_a_link_is_not_held_to_be_in_the_places(places, tmp_path):
    link = places.workspace("b") / "link"
    link.symlink_to(tmp_path)
    assert places.holds(places.workspace("b"))
    assert not places.holds(link)


@given(st.integers(1, 10**9))
def test_every_droplet_has_a_walled_uid_that_is_not_the_sandboxs(droplet_id):
    assert walled_uid(release_uid(droplet_id)) and release_uid(droplet_id) != SANDBOX_UID


@pytest.mark.parametrize("uid", [0, 1000, 63999, 65000, 65534])
def test_people_and_the_daemon_are_not_walled(uid):
    assert not walled_uid(uid)
