"""The command lines of the walls, as strings."""

from pathlib import Path

import pytest

from executor.errors import Permanent
from executor.sandbox.argv import (
    Walls,
    bwrap_argv,
    join_argv,
    packed,
    prlimit_argv,
    setpriv_argv,
    wall_options,
)
from executor.sandbox.base import Bind, Limits

_WALLS = Walls(
    (Bind(Path("/var/x/ws"), "/ws", writable=True), Bind(Path("/var/x/venv"), "/venv")), env={"A": "b c"}
)

_MEASURED = """
--unshare-user --disable-userns --unshare-ipc --unshare-pid --unshare-net --unshare-uts --unshare-cgroup-try
--die-with-parent --new-session --clearenv --cap-drop ALL --ro-bind /usr /usr --symlink usr/bin /bin
--symlink usr/lib /lib --symlink usr/lib64 /lib64 --symlink usr/sbin /sbin --dir /etc
--ro-bind-try /etc/alternatives /etc/alternatives --ro-bind-try /etc/ld.so.cache /etc/ld.so.cache
--ro-bind-try /etc/localtime /etc/localtime
--proc /proc --dev /dev --size 67108864 --tmpfs /dev/shm --size 268435456 --tmpfs /tmp
--bind /var/x/ws /ws --ro-bind /var/x/venv /venv --remount-ro /dev --remount-ro / --chdir /ws
--setenv PATH /usr/bin:/bin --setenv HOME /tmp --setenv LANG C.UTF-8 --setenv A b·c --hostname sandbox
"""


def test_the_walls_are_the_measured_command_line():
    assert wall_options(_WALLS) == [word.replace("·", " ") for word in _MEASURED.split()]


def test_a_release_keeps_the_network_and_the_files_that_name_resolution_needs():
    options = wall_options(Walls(_WALLS.binds, network=True))
    assert "--unshare-net" not in options
    assert "/etc/resolv.conf" in options and "/etc/ssl/certs" in options


def test_binds_stand_before_the_root_is_closed_to_writing():
    options = wall_options(_WALLS)
    assert options.index("/ws") < options.index("--remount-ro")


@pytest.mark.parametrize(
    "target", ["/", "/usr/lib", "/proc", "/dev/x", "/etc", "/sys", "ws", "/ws/../usr", "//usr"]
)
def test_no_bind_may_cover_a_place_of_the_system(target):
    with pytest.raises(Permanent):
        wall_options(Walls((Bind(Path("/x"), target),)))


def test_options_travel_by_descriptor_and_not_in_the_public_command_line():
    assert bwrap_argv(["pytest", "-q"], options_fd=7, info_fd=9) == [
        *("bwrap", "--args", "7", "--info-fd", "9", "--", "pytest", "-q")
    ]


def test_packed_options_each_end_in_a_nul():
    assert packed(["--setenv", "A", "b\nc"]) == b"--setenv\0A\0b\nc\0"


def test_a_nul_in_an_option_is_refused_since_it_would_begin_another_one():
    with pytest.raises(Permanent):
        packed(["--setenv", "A", "x\0--bind"])


def test_every_right_is_given_up_before_the_uid_changes_for_good():
    drops = "--clear-groups --bounding-set=-all --inh-caps=-all --no-new-privs"
    assert setpriv_argv(64000) == ["setpriv", "--reuid=64000", "--regid=64000", *drops.split()]
    assert setpriv_argv(None) == []


def test_without_a_cgroup_the_uid_and_each_process_are_bounded():
    argv = prlimit_argv(Limits(memory_bytes=1 << 20, pids=8, cpu_seconds=5), total_memory=False, uid=64000)
    expected = "prlimit --nproc=8 --as=2097152 --fsize=536870912 --nofile=256 --core=0 --cpu=5"
    assert argv == expected.split()


def test_a_daemon_that_shares_its_uid_never_bounds_the_number_of_its_own_processes():
    assert not [word for word in prlimit_argv(Limits(), total_memory=False, uid=None) if "nproc" in word]


def test_a_command_joins_its_cgroups_before_it_becomes_anything_else():
    argv = join_argv(["/a/cgroup.procs", "/b/cgroup.procs"])
    assert argv[:2] == ["/bin/sh", "-c"] and argv[3:] == ["join", "/a/cgroup.procs", "/b/cgroup.procs", "--"]
    assert join_argv(()) == []
