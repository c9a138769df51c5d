"""fp-tools says 0 whatever happens; only what it prints and what it wrote is believed."""

import os
import sys
from pathlib import Path

import pytest

from executor.adapters.fp_tools import FpTools
from executor.domain.droplet import DropletIdentity
from executor.domain.spec_score import score_spec
from executor.domain.spec_writer import SpecRequest, write_spec
from executor.errors import Permanent, Transient
from tests.fakes.fp_tools import write_fp_tools


def tool(directory: Path, mode: str = "works", timeout: float = 60) -> FpTools:
    return FpTools(write_fp_tools(directory, sys.executable, mode), timeout)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    path = tmp_path / "out"
    path.mkdir()
    return path


async def test_the_draft_is_what_the_program_wrote(tmp_path: Path, out: Path) -> None:
    draft = await tool(tmp_path).spec(11, "--list of 'books' $(id)\n# 📚", out)
    assert "--list of 'books' $(id)\n# 📚" in draft


async def test_an_untouched_draft_scores_three_and_an_enriched_one_a_hundred(
    tmp_path: Path, out: Path
) -> None:
    intent = "Build a book tracker"
    draft = await tool(tmp_path).spec(11, intent, out)
    assert score_spec(draft).overall == 3
    spec = write_spec(SpecRequest(DropletIdentity(11, "book", "1.0.0", intent, 8011), intent, draft=draft))
    assert score_spec(spec).overall == 100
    assert "Register with Registry on startup" in spec
    assert "[Describe" not in spec


async def test_two_calls_on_one_day_do_not_overwrite_each_other(tmp_path: Path, out: Path) -> None:
    fp_tools = tool(tmp_path)
    first, second = await fp_tools.spec(11, "first", out), await fp_tools.spec(11, "second", out)
    assert "first" in first
    assert "second" in second
    assert len(list(out.glob("*/SPEC_*.md"))) == 2


@pytest.mark.parametrize(
    ("mode", "says"),
    [
        ("error", "Provide --droplet-id"),
        ("no_file", "not in its directory"),
        ("empty", "0 characters"),
        ("elsewhere", "not in its directory"),
        ("link", "not in its directory"),
        ("lacks_library", "lacks no_such_library_for_fp_tools"),
    ],
)
async def test_a_failure_is_told_in_its_own_words(tmp_path: Path, out: Path, mode: str, says: str) -> None:
    with pytest.raises(Permanent, match=says) as error:
        await tool(tmp_path, mode).spec(11, "books", out)
    assert "fp_tools" in error.value.hint


@pytest.mark.parametrize(("droplet_id", "intent"), [(0, "x"), (-1, "x"), (11, " \n")])
async def test_what_the_program_takes_for_missing_is_not_sent(
    tmp_path: Path, out: Path, droplet_id: int, intent: str
) -> None:
    with pytest.raises(Permanent):
        await FpTools(tmp_path / "never-started").spec(droplet_id, intent, out)


async def test_a_program_that_is_not_there_is_permanent(tmp_path: Path, out: Path) -> None:
    with pytest.raises(Permanent, match="cannot be started"):
        await FpTools(tmp_path / "nothing").spec(11, "books", out)


async def test_a_script_without_the_executable_bit_runs_too(tmp_path: Path, out: Path) -> None:
    write_fp_tools(tmp_path, sys.executable).chmod(0o644)
    assert await FpTools(tmp_path / "fp-tools").spec(11, "books", out)


async def test_a_program_that_hangs_is_stopped_and_tried_again_later(tmp_path: Path, out: Path) -> None:
    with pytest.raises(Transient, match="did not finish"):
        await tool(tmp_path, "hangs", timeout=0.5).spec(11, "books", out)
    survivor = tmp_path / "told"
    if survivor.exists():  # it left the group on purpose, as a daemon would
        os.kill(int(survivor.read_text()), 9)


async def test_no_secret_of_the_daemon_reaches_it(
    tmp_path: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "canary-1234")
    await tool(tmp_path, "says_environment").spec(11, "books", out)
    told = (tmp_path / "told").read_text()
    assert "PATH" in told
    assert "canary-1234" not in told
