"""Files of a workspace by names that a model chose."""

from __future__ import annotations

import ctypes
import errno
import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from executor.errors import Invalid, NotFound, Transient
from executor.sandbox.identity import SANDBOX_UID
from executor.sandbox.workspace import LARGEST_FILE, MOST_ENTRIES, Workspace
from executor.sandbox.workspace_errors import named_errors
from executor.sandbox.workspace_names import parts_of
from executor.sandbox.workspace_open import by_kernel, by_walk, opener
from tests.proof.scale import scaled
from tests.sandbox.hostile_names import CANARY, ONLY_OUTSIDE, fingerprint, names, traps

THREAT = "file names"

_COUNT = scaled(500, 10_000)
_EXCHANGE = 2  # of renameat2: both names change places at one instant
_AT_CWD = -100

both_ways = pytest.mark.parametrize("by", [by_kernel, by_walk], ids=["kernel", "walk"])


@pytest.fixture(params=[by_kernel, by_walk], ids=["kernel", "walk"])
def workspace(tmp_path, request) -> Workspace:
    (tmp_path / "ws").mkdir()
    return Workspace(tmp_path / "ws", None, by=request.param)


@pytest.fixture
def root(tmp_path) -> Path:
    return tmp_path / "ws"


@both_ways
@pytest.mark.sweep
def test_no_generated_name_reads_or_writes_anything_outside_or_in_git(tmp_path, by, ledger):
    root, outside = traps(tmp_path)
    workspace = Workspace(root, None, by=by)
    before = fingerprint(outside, root / ".git")
    written = refused = 0
    for name in names(_COUNT, outside):
        with suppress(Invalid, NotFound):
            assert CANARY not in workspace.read(name)
        with suppress(Invalid, NotFound):
            assert not any(ONLY_OUTSIDE in entry for entry in workspace.listing(name))
        with suppress(Invalid, NotFound):
            there = root.joinpath(*parts_of(name))
            assert not workspace.exists(name) or os.path.realpath(there) == str(there)
        try:
            workspace.write(name, b"ours")
            assert workspace.read(name) == b"ours"
            written += 1
        except Invalid:
            refused += 1
    assert fingerprint(outside, root / ".git") == before
    assert not (outside / "made-by-us").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["work", "work-outside"]
    assert written > _COUNT // 50 and refused > _COUNT // 3
    ledger.tried("generated paths", _COUNT, threat=THREAT)


@pytest.mark.sweep
def test_the_generated_names_would_lead_a_careless_program_outside(tmp_path):
    root, outside = traps(tmp_path)
    escaped = 0
    for name in names(_COUNT, outside):
        try:
            there = Path(os.path.realpath(os.path.join(root, name.removeprefix("/ws/"))))
        except (ValueError, OSError):
            continue
        escaped += not there.is_relative_to(root)
    assert escaped > _COUNT // 8


@both_ways
def test_a_directory_that_is_swapped_with_a_link_meanwhile_leads_nowhere(tmp_path, by, ledger):
    root, outside = tmp_path / "ws", tmp_path / "outside"
    (root / "d").mkdir(parents=True)
    outside.mkdir()
    (outside / "f").write_bytes(CANARY)
    (root / "link").symlink_to(outside)
    (root / "d" / "f").write_bytes(b"ours")
    before = fingerprint(outside)
    stop = threading.Event()
    swapping = threading.Thread(target=_swap, args=(root / "d", root / "link", stop))
    swapping.start()
    try:
        outcomes = _hammer(Workspace(root, None, by=by))
    finally:
        stop.set()
        swapping.join()
    assert min(outcomes.values()) >= 40, f"the race did not take place: {outcomes}"
    assert fingerprint(outside) == before
    ledger.tried("writes in a race with a swapped link", sum(outcomes.values()), threat=THREAT)


def _swap(one: Path, other: Path, stop: threading.Event) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    while not stop.is_set():
        done = libc.renameat2(_AT_CWD, os.fsencode(one), _AT_CWD, os.fsencode(other), _EXCHANGE)
        assert done == 0


def _hammer(workspace: Workspace) -> dict[str, int]:
    outcomes = {"went through": 0, "was refused": 0}
    for number in range(100_000):
        try:
            workspace.write("d/f", b"ours")
            workspace.write(f"d/new/{number % 7}", b"ours")
            assert workspace.read("d/f") == b"ours"
            assert all(CANARY.decode() not in name for name in workspace.listing())
            outcomes["went through"] += 1
        except (Invalid, NotFound):
            outcomes["was refused"] += 1
        if min(outcomes.values()) >= 40:
            break
    return outcomes


def test_what_was_written_is_read_and_replaces_what_was_there(workspace, root):
    workspace.write("app/resources/a.py", b"one")
    workspace.write("/ws/app/./resources//a.py", b"two")
    assert workspace.read("app/resources/a.py") == b"two"
    assert [path.name for path in (root / "app" / "resources").iterdir()] == ["a.py"]


def test_a_reader_sees_the_old_file_or_the_new_one_and_never_a_part(workspace, root):
    old, new = b"o" * 500_000, b"n" * 500_000
    workspace.write("f", old)
    held = (root / "f").open("rb")
    workspace.write("f", new)
    with held:
        assert held.read() == old
    assert workspace.read("f") == new


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_files_and_the_directories_made_for_them_belong_to_the_sandbox_and_are_readable(tmp_path):
    workspace = Workspace(tmp_path, SANDBOX_UID)
    workspace.write("a/b/c", b"x")
    seen = {name: (tmp_path / name).stat() for name in ("a", "a/b", "a/b/c")}
    assert {one.st_uid for one in seen.values()} == {SANDBOX_UID}
    assert {one.st_gid for one in seen.values()} == {SANDBOX_UID}
    assert [stat.S_IMODE(one.st_mode) for one in seen.values()] == [0o755, 0o755, 0o644]


def test_a_program_stays_a_program(workspace, root):
    workspace.write("run.sh", b"one")
    (root / "run.sh").chmod(0o755)
    workspace.write("run.sh", b"two")
    assert stat.S_IMODE((root / "run.sh").stat().st_mode) == 0o755


@pytest.mark.parametrize("name", ["", "/ws", "/ws/", ".", "./."])
def test_the_workspace_itself_is_a_directory_and_no_file(workspace, name):
    assert workspace.is_directory(name)
    with pytest.raises(Invalid):
        workspace.read(name)
    with pytest.raises(Invalid):
        workspace.write(name, b"x")


@pytest.mark.parametrize("name", ["/etc/passwd", "/wsx/f", "../f", "a/../../f", "/ws/../f", "a/..", "..\\f"])
def test_a_name_that_leads_outside_is_refused_with_what_to_name_instead(workspace, name, ledger):
    for act in (workspace.read, workspace.exists, workspace.listing, workspace.is_directory):
        with pytest.raises(Invalid) as caught:
            act(name)
        assert "/ws/app" in caught.value.hint
    ledger.tried("paths that lead outside", threat=THREAT)


@pytest.mark.parametrize(
    "name",
    [
        ".git",
        ".git/config",
        "a/.GIT/x",
        ".git./x",
        ".git /x",
        ".g\u200cit/x",
        "git~1",
        ".git::$DATA",
        ".gitmodules",
    ],
)
def test_git_is_the_executors_own(workspace, name, ledger):
    with pytest.raises(Invalid, match=r"git|invisible"):
        workspace.write(name, b"x")
    ledger.tried("names for the executor's .git", threat=THREAT)


@pytest.mark.parametrize(
    "name", [".gitignore", ".github/x", "git", "a.git", ".env.example", "ä/日本.py", "a b"]
)
def test_ordinary_names_are_not_taken_for_traps(workspace, name):
    workspace.write(name, b"x")
    assert workspace.read(name) == b"x"


@pytest.mark.parametrize("name", ["a\0b", "a\nb", "\ud800", "x" * 256, "é" * 128, "a/" * 600, "\x1b[31m"])
def test_names_that_no_file_should_have_are_refused(workspace, name):
    with pytest.raises(Invalid):
        workspace.write(name, b"x")


def test_a_link_is_said_to_be_one_wherever_it_leads(workspace, root):
    (root / "real").write_text("x")
    (root / "link").symlink_to("real")
    for act in (lambda: workspace.read("link"), lambda: workspace.write("link", b"y")):
        with pytest.raises(Invalid, match="symbolic link"):
            act()
    assert not workspace.exists("link")
    assert (root / "real").read_text() == "x" and (root / "link").is_symlink()


def test_a_pipe_a_socket_and_a_directory_are_no_files_and_hold_nobody_up(tmp_path):
    root, _ = traps(tmp_path)
    workspace = Workspace(root, None)
    for name in ("pipe", "socket", "app"):
        with pytest.raises(Invalid):
            workspace.read(name)
        with pytest.raises(Invalid):
            workspace.write(name, b"x")
    assert not workspace.exists("pipe") and workspace.exists("app")


def test_a_file_where_a_directory_is_needed_is_named(workspace):
    workspace.write("f", b"x")
    with pytest.raises(Invalid, match="/ws/f/g"):
        workspace.write("f/g", b"x")


def test_what_is_not_there_is_not_found(workspace):
    with pytest.raises(NotFound, match=r"/ws/app/x\.py"):
        workspace.read("app/x.py")
    with pytest.raises(NotFound):
        workspace.listing("app")
    assert not workspace.exists("app/x.py")


def test_large_files_are_neither_read_nor_written(workspace, root):
    (root / "big").write_bytes(b"x" * (LARGEST_FILE + 1))
    with pytest.raises(Invalid, match="1,048,577 bytes"):
        workspace.read("big")
    with pytest.raises(Invalid, match="1,048,577 bytes"):
        workspace.write("other", b"x" * (LARGEST_FILE + 1))
    workspace.write("other", b"x" * LARGEST_FILE)
    with pytest.raises(Invalid):
        workspace.read("other", limit=10)
    assert len(workspace.read("other")) == LARGEST_FILE


def test_a_listing_is_two_levels_deep_marks_what_is_no_file_and_hides_what_is_hidden(workspace, root):
    for name in ("a/b/c.py", "a/x.py", "z.py", ".hidden/x", "a/.env", "a/__pycache__/x.pyc"):
        workspace.write(name, b"x")
    (root / "link").symlink_to("/etc")
    assert workspace.listing() == ["a/", "a/b/", "a/x.py", "link@", "z.py"]
    assert workspace.listing("/ws/a") == ["a/b/", "a/b/c.py", "a/x.py"]


def test_a_listing_is_bounded(workspace, root):
    for number in range(MOST_ENTRIES + 20):
        (root / f"f{number}").touch()
    assert len(workspace.listing()) == MOST_ENTRIES


@both_ways
def test_no_descriptor_is_left_open(tmp_path, by):
    root, outside = traps(tmp_path)
    workspace = Workspace(root, None, by=by)
    before = len(os.listdir("/proc/self/fd"))
    for name in names(200, outside):
        for act in (workspace.read, workspace.exists, workspace.listing, lambda n: workspace.write(n, b"x")):
            with suppress(Invalid, NotFound):
                act(name)
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_write_that_fails_leaves_the_old_file_and_nothing_beside_it(workspace, root):
    workspace.write("d/f", b"old")
    with pytest.raises(TypeError):
        workspace.write("d/f", "not bytes")  # type: ignore[arg-type]
    assert [path.name for path in (root / "d").iterdir()] == ["f"]
    assert workspace.read("d/f") == b"old"


def test_the_kernels_way_is_taken_where_there_is_one():
    assert opener() in {by_kernel, by_walk}
    version = tuple(int(part) for part in os.uname().release.split(".")[:2])
    if version < (5, 6):
        assert opener() is by_walk


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EMFILE])
def test_a_disk_that_is_full_is_no_fault_of_the_name_and_passes(code):
    with pytest.raises(Transient, match="goes on by itself"), named_errors("app/x.py"):
        raise OSError(code, os.strerror(code))
