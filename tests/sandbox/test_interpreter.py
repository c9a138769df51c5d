"""Which Python runs behind the walls."""

from pathlib import Path

import pytest

from executor.errors import Permanent
from executor.sandbox.interpreter import shared_interpreter


def _python(path: Path, version: str) -> Path:
    path.write_text(f"#!/bin/sh\necho {version}\n")
    path.chmod(0o755)
    return path


async def test_this_machines_python_is_found_below_usr():
    found = await shared_interpreter()
    assert found.path.is_relative_to("/usr") and found.version.startswith("3.")


async def test_an_old_a_broken_and_a_private_one_are_passed_over(tmp_path):
    private = _python(tmp_path / "private", "3.13.0")
    private.chmod(0o700)
    broken = _python(tmp_path / "broken", "x")
    broken.write_text("#!/bin/sh\nexit 1\n")
    good = _python(tmp_path / "good", "3.12.1")
    found = await shared_interpreter(
        [tmp_path / "missing", private, broken, _python(tmp_path / "old", "3.9.2"), good]
    )
    assert (found.path, found.version) == (good, "3.12.1")


async def test_a_machine_without_one_is_told_what_to_install(tmp_path):
    with pytest.raises(Permanent) as caught:
        await shared_interpreter([tmp_path / "missing"])
    assert "python3" in caught.value.hint
