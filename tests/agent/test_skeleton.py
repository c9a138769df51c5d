"""A new release's skeleton is rendered anew, but what was edited in any earlier release stays."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from executor.agent.skeleton import RECORD, lay_skeleton
from executor.domain.droplet import DropletIdentity

FIRST = DropletIdentity(13, "library", "0.1.0", "Keep books", 18513)
SECOND = replace(FIRST, version="0.2.0", purpose="Keep books and papers")
THIRD = replace(FIRST, version="0.3.0")


def lay(into: Path, identity: DropletIdentity, *, keep: bool = True):
    return lay_skeleton(identity, created="2026-11-23", into=into, keep_edits=keep)


@pytest.fixture
def released(tmp_path: Path) -> Path:
    lay(tmp_path, FIRST)
    return tmp_path


def test_untouched_files_follow_the_new_identity_and_edited_ones_stay(released):
    (released / "app/models.py").write_text("EDITED = 1\n")
    _, kept = lay(released, SECOND)
    assert kept == ("app/models.py",)
    assert (released / "app/models.py").read_text() == "EDITED = 1\n"
    assert '"0.2.0"' in (released / "app/identity.json").read_text()


def test_an_edit_of_the_first_release_is_still_kept_in_the_third(released):
    (released / "app/models.py").write_text("EDITED = 1\n")
    lay(released, SECOND)
    _, kept = lay(released, THIRD)
    assert kept == ("app/models.py",)


def test_without_keeping_everything_is_rendered_anew(released):
    (released / "app/models.py").write_text("EDITED = 1\n")
    assert lay(released, SECOND, keep=False)[1] == ()
    assert "EDITED" not in (released / "app/models.py").read_text()


def test_a_release_without_a_record_counts_as_not_edited(released):
    (released / RECORD).unlink()
    assert lay(released, SECOND)[1] == ()
    assert '"0.2.0"' in (released / "app/identity.json").read_text()


@pytest.mark.parametrize("text", ["{", "[]", "\udcff"])
def test_a_spoilt_record_loses_no_edit(released, text):
    (released / "app/models.py").write_text("EDITED = 1\n")
    (released / RECORD).write_bytes(text.encode("utf-8", "surrogateescape"))
    lay(released, SECOND)
    assert (released / "app/models.py").read_text() == "EDITED = 1\n"


def test_laying_it_twice_changes_nothing(released):
    before = {p: p.read_bytes() for p in released.rglob("*") if p.is_file()}
    lay(released, FIRST)
    assert {p: p.read_bytes() for p in released.rglob("*") if p.is_file()} == before
