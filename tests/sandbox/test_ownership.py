"""Handing trees over and taking them back."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from executor.sandbox.ownership import hand_over, remove_tree, remove_tree_now, take_back


async def test_a_tree_is_given_and_taken_back_and_links_are_never_followed(tmp_path):
    outside = tmp_path / "outside"
    outside.write_text("mine")
    tree = tmp_path / "tree"
    (tree / "sub").mkdir(parents=True)
    (tree / "sub" / "file").write_text("x")
    (tree / "link").symlink_to(outside)
    (tree / "dirlink").symlink_to(tmp_path)
    uid = 64000 if os.geteuid() == 0 else None
    await hand_over(tree, uid)
    given = {path.lstat().st_uid for path in [tree, *tree.rglob("*")]}
    assert given == {uid if uid is not None else os.geteuid()}
    assert outside.stat().st_uid == os.geteuid()
    await take_back(tree)
    assert {path.lstat().st_uid for path in [tree, *tree.rglob("*")]} == {os.geteuid()}


async def test_a_tree_is_removed_whatever_modes_its_owner_has_set(tmp_path):
    tree = tmp_path / "tree"
    (tree / "closed" / "deeper").mkdir(parents=True)
    (tree / "closed" / "deeper" / "file").write_text("x")
    (tree / "closed").chmod(0)
    await remove_tree(tree)
    assert not tree.exists()


async def test_removing_what_is_gone_is_not_an_error(tmp_path):
    await remove_tree(tmp_path / "never")
    await remove_tree(tmp_path / "never")
    assert list(Path(tmp_path).iterdir()) == []


def test_one_tree_may_be_removed_by_several_at_once(tmp_path):
    """Two builds sweep what a killed daemon had begun; each has to find the other's work done."""
    for turn in range(15):
        tree = tmp_path / f"tree{turn}"
        for n in range(60):
            (tree / f"d{n % 6}" / f"e{n}").mkdir(parents=True)
            (tree / f"d{n % 6}" / f"e{n}" / "file").write_text("x")
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(remove_tree_now, [tree] * 4))
        assert not tree.exists()


def test_removing_a_tree_that_is_gone_leaves_the_modes_above_it_alone(tmp_path):
    passage = tmp_path / "passage"
    passage.mkdir()
    passage.chmod(0o711)
    remove_tree_now(passage / "gone")
    assert passage.stat().st_mode & 0o777 == 0o711
