"""Finding cgroups on v1 and v2, delegated or not; directories stand in for the kernel's where it has none."""

from pathlib import Path

from executor.sandbox.cgroups import Cgroups

_V1 = "30 20 0:26 / {point} rw - cgroup cgroup rw,{name}"
_V2 = "31 20 0:27 / {point} rw - cgroup2 cgroup2 rw"


def _proc(tmp_path: Path, mountinfo: str, cgroup: str) -> Path:
    proc = tmp_path / "proc"
    proc.mkdir()
    (proc / "mountinfo").write_text(mountinfo)
    (proc / "cgroup").write_text(cgroup)
    return proc


def test_on_v1_leaves_are_made_below_the_daemons_own_cgroup(tmp_path):
    (tmp_path / "memory" / "own").mkdir(parents=True)
    (tmp_path / "pids").mkdir()
    mounts = [_V1.format(point=tmp_path / name, name=name) for name in ("memory", "pids", "cpu")]
    groups = Cgroups.discover(_proc(tmp_path, "\n".join(mounts), "4:memory:/own\n3:pids:/\n2:cpu:/"))
    leaf = groups.leaf("x", memory_bytes=1 << 20, pids=7)
    assert groups.controllers == {"memory", "pids"}
    assert leaf is not None
    assert (tmp_path / "memory/own/x/memory.limit_in_bytes").read_text() == str(1 << 20)
    assert (tmp_path / "pids/x/pids.max").read_text() == "7"
    assert set(leaf.join) == {f"{tmp_path}/memory/own/x/cgroup.procs", f"{tmp_path}/pids/x/cgroup.procs"}


def _delegated(tmp_path: Path, controllers: str) -> Path:
    own = tmp_path / "unified" / "system.slice" / "fpai.service"
    own.mkdir(parents=True)
    (own / "cgroup.controllers").write_text(controllers)
    (own / "cgroup.subtree_control").write_text("")
    (own / "cgroup.type").write_text("domain")
    return own


def test_on_v2_the_daemon_moves_into_a_leaf_and_hands_the_controllers_down(tmp_path):
    own = _delegated(tmp_path, "cpu memory pids")
    mounts = _V2.format(point=tmp_path / "unified")
    groups = Cgroups.discover(_proc(tmp_path, mounts, "0::/system.slice/fpai.service"))
    leaf = groups.leaf("x", memory_bytes=1 << 20, pids=7)
    assert (own / "cgroup.subtree_control").read_text() == "+memory +pids"
    assert (own / "fpai-daemon" / "cgroup.procs").exists()
    assert leaf is not None
    assert (own / "x" / "memory.max").read_text() == str(1 << 20)
    assert (own / "x" / "pids.max").read_text() == "7"


def test_on_v2_without_the_controllers_there_is_no_leaf_and_limits_fall_back(tmp_path):
    _delegated(tmp_path, "hugetlb")
    mounts = _V2.format(point=tmp_path / "unified")
    groups = Cgroups.discover(_proc(tmp_path, mounts, "0::/system.slice/fpai.service"))
    assert groups.controllers == frozenset()
    assert groups.leaf("x", memory_bytes=1, pids=1) is None


def test_a_second_discovery_in_the_same_daemon_finds_the_same_place(tmp_path):
    own = _delegated(tmp_path, "memory pids")
    mounts = _V2.format(point=tmp_path / "unified")
    proc = _proc(tmp_path, mounts, "0::/system.slice/fpai.service/fpai-daemon")
    (own / "fpai-daemon").mkdir()
    (own / "cgroup.subtree_control").write_text("memory pids")
    leaf = Cgroups.discover(proc).leaf("x", memory_bytes=1, pids=1)
    assert leaf is not None and leaf.directories == (own / "x",)


def test_leaves_of_a_daemon_that_is_gone_are_swept_and_those_of_a_living_one_stay(tmp_path):
    pids = tmp_path / "pids"
    for name in ("fpai-s-999999999-1", "fpai-s-1-1", "fpai-r-release"):
        (pids / name).mkdir(parents=True)
    Cgroups.discover(_proc(tmp_path, _V1.format(point=pids, name="pids"), "3:pids:/")).sweep()
    assert {path.name for path in pids.iterdir()} == {"fpai-s-1-1", "fpai-r-release"}


def test_a_machine_without_cgroups_is_not_an_error(tmp_path):
    assert Cgroups.discover(_proc(tmp_path, "", "")).leaf("x", memory_bytes=1, pids=1) is None
