"""Diffs as the page shows them."""

from __future__ import annotations

from executor.web.page_diff import diff_values

TWO = """ a.py | 2 +-
 2 files changed, 2 insertions(+), 1 deletion(-)

diff --git a/a.py b/a.py
index 1..2 100644
--- a/a.py
+++ b/a.py
@@ -1,2 +1,2 @@
 same
-old
+new
--- a line that was taken out and began with two dashes
\\ No newline at end of file
diff --git a/dir/b c.txt b/dir/b c.txt
new file mode 100644
--- /dev/null
+++ b/dir/b c.txt
@@ -0,0 +1 @@
+diff --git is only text here
"""


def test_files_are_listed_with_what_each_gained_and_lost() -> None:
    found = diff_values(TWO)
    assert [(f["name"], f["added"], f["removed"]) for f in found["files"]] == [
        ("a.py", 1, 2),
        ("dir/b c.txt", 1, 0),
    ]
    assert (found["added"], found["removed"], found["left_out"]) == (2, 2, 0)
    assert [kind for kind, _ in found["files"][0]["lines"]] == ["hunk", "same", "del", "add", "del", "meta"]


def test_a_plain_unified_diff_has_its_one_file() -> None:
    found = diff_values("--- SPEC version 1\n+++ SPEC version 2\n@@ -1 +1 @@\n-a\n+b\n")
    assert [(f["name"], f["added"], f["removed"]) for f in found["files"]] == [("SPEC version 1", 1, 1)]


def test_a_huge_diff_is_cut_and_says_by_how_much() -> None:
    text = "diff --git a/x b/x\n@@ -0,0 +1,6000 @@\n" + "+line\n" * 6000
    found = diff_values(text)
    assert len(found["files"][0]["lines"]) == 5000
    assert found["left_out"] == 1001
    assert found["added"] == 6000


def test_nothing_has_no_files() -> None:
    assert diff_values("")["files"] == []
