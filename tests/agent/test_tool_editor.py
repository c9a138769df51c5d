"""`str_replace_based_edit_tool` on the files of one workspace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from executor.agent.tool_forms import EDITOR
from executor.sandbox.identity import SANDBOX_UID
from tests.agent.hands import Hands, open_hands

_SOURCE = "def f():\n    return 1\n\n\ndef g():\n    return 1\n"


@pytest.fixture
def hands(tmp_path) -> Iterator[Hands]:
    with open_hands(tmp_path / "state") as made:
        made.write("x.py", _SOURCE)
        yield made


async def test_a_file_is_viewed_with_the_numbers_of_its_lines(hands):
    result = await hands.edit("view", "/ws/x.py")
    assert result.text.splitlines()[:2] == ["     1\tdef f():", "     2\t    return 1"]
    assert len(result.text.splitlines()) == 6


@pytest.mark.parametrize(
    ("span", "seen"),
    [([2, 3], [2, 3]), ([5, -1], [5, 6]), ([6, 6], [6]), ([5, 99], [5, 6]), (None, [1, 2, 3, 4, 5, 6])],
)
async def test_a_part_of_a_file_is_viewed_by_its_first_and_last_line(hands, span, seen):
    arguments = {} if span is None else {"view_range": span}
    result = await hands.edit("view", "x.py", **arguments)
    assert [int(line.split("\t")[0]) for line in result.text.splitlines()] == seen


@pytest.mark.parametrize("span", [[0, 3], [7, 9], [3, 2], [-1, 2], [2, -2]])
async def test_a_part_that_is_not_there_is_answered_with_the_number_of_lines(hands, span):
    result = await hands.edit("view", "x.py", view_range=span)
    assert result.is_error and "6 lines" in result.text and str(span) in result.text


async def test_a_directory_is_viewed_two_levels_deep_without_what_is_hidden(hands):
    for name in ("app/resources/deep/x.py", ".env", "app/y.py"):
        await hands.edit("create", name, file_text="")
    result = await hands.edit("view", "/ws")
    assert result.text.splitlines()[1:] == ["/ws/app/", "/ws/app/resources/", "/ws/app/y.py", "/ws/x.py"]
    assert "/ws/app/resources/deep/" in (await hands.edit("view", "app")).text
    assert (await hands.edit("view", "app", view_range=[1, 2])).is_error


async def test_a_long_file_is_cut_at_a_line_and_says_how_to_see_the_rest(hands):
    hands.write("long", "".join(f"line {number}\n" for number in range(1, 10_001)))
    result = await hands.edit("view", "long")
    last = int(result.text.splitlines()[-2].split("\t")[0])
    assert f"view_range [{last + 1}, 10000]" in result.text.splitlines()[-1]
    assert len(result.text) < 65_000 and result.full_output.endswith("line 10000")
    assert f"to {10_000} are not" in (await hands.edit("view", "long", view_range=[1, 99_999])).text
    rest = await hands.edit("view", "long", view_range=[last + 1, 10_000])
    assert rest.text.startswith(f"{last + 1:6}\tline {last + 1}")


async def test_a_single_enormous_line_is_cut_and_says_so(hands):
    hands.write("long", "x" * 100_000)
    result = await hands.edit("view", "long")
    assert "98000 more characters" in result.text and len(result.text) < 3_000


async def test_an_empty_file_is_said_to_be_empty(hands):
    hands.write("empty", "")
    assert (await hands.edit("view", "empty")).text == "/ws/empty is empty."


async def test_a_file_that_is_not_there_is_answered_with_names_like_it(hands):
    await hands.edit("create", "app/main.py", file_text="")
    result = await hands.edit("view", "/ws/app/mian.py")
    assert result.is_error and result.text == "There is no /ws/app/mian.py. Did you mean /ws/app/main.py?"
    await hands.edit("create", "app/resources/notes/router.py", file_text="")
    deeper = await hands.edit("view", "app/resources/notes/routes.py")
    assert deeper.text.endswith("Did you mean /ws/app/resources/notes/router.py?")
    assert "View /ws" in (await hands.edit("view", "nothing-like-it-at-all")).text


async def test_binary_files_are_refused_with_what_to_use_instead(hands):
    for content in (b"\xff\xfe\x00", b"a\0b"):
        (hands.root / "b").write_bytes(content)
        result = await hands.edit("view", "b")
        assert result.is_error and "binary" in result.text and "xxd" in result.text
    assert (await hands.edit("create", "b", file_text="a\0b")).is_error


async def test_create_writes_the_whole_file_and_says_when_there_was_one(hands):
    assert (
        await hands.edit("create", "/ws/a/b.txt", file_text="one\ntwo\n")
    ).text == "Created /ws/a/b.txt: 2 lines."
    result = await hands.edit("create", "a/b.txt", file_text="three\n")
    assert result.text == "Overwrote the whole of /ws/a/b.txt: 1 lines."
    assert hands.read("a/b.txt") == "three\n"


async def test_what_was_created_can_be_changed_behind_the_walls(hands):
    await hands.edit("create", "a/b.sh", file_text="echo hi\n")
    assert (await hands.bash("chmod +x a/b.sh && echo 'echo more' >> a/b.sh && rm -r a && ls")).text == "x.py"
    if hands.places.changes_uid:
        await hands.edit("create", "c/d", file_text="")
        assert {(hands.root / name).stat().st_uid for name in ("c", "c/d")} == {SANDBOX_UID}


async def test_the_one_place_is_replaced_and_shown(hands):
    result = await hands.edit(
        "str_replace", "x.py", old_str="def g():\n    return 1", new_str="def g():\n    return 2"
    )
    assert hands.read("x.py") == _SOURCE[: -len("1\n")] + "2\n"
    assert "     6\t    return 2" in result.text and "     1\tdef f():" in result.text


async def test_without_new_str_the_text_is_taken_out(hands):
    await hands.edit("str_replace", "x.py", old_str="\n\ndef g():\n    return 1")
    assert hands.read("x.py") == "def f():\n    return 1\n\n"


async def test_several_places_are_all_named_and_nothing_is_changed(hands):
    result = await hands.edit("str_replace", "x.py", old_str="    return 1", new_str="")
    assert result.is_error and "2 times" in result.text and "2, 6" in result.text
    assert hands.read("x.py") == _SOURCE


async def test_places_that_overlap_are_several(hands):
    hands.write("a", "aaa\n")
    assert "2 times" in (await hands.edit("str_replace", "a", old_str="aa", new_str="b")).text


async def test_other_whitespace_is_pointed_out_with_the_lines_as_they_are(hands):
    for old in ("def g():\n\treturn 1", "def g():  \n  return 1", "def  g():\n    return 1\n"):
        result = await hands.edit("str_replace", "x.py", old_str=old, new_str="x")
        assert result.is_error and "whitespace" in result.text, old
        assert "     5\tdef g():\n     6\t    return 1" in result.text
    assert hands.read("x.py") == _SOURCE


async def test_the_nearest_lines_are_shown_with_their_numbers(hands):
    result = await hands.edit("str_replace", "x.py", old_str="def gg():\n    return 1\n", new_str="x")
    assert "nearest" in result.text and "     5\tdef g():\n     6\t    return 1" in result.text


async def test_the_nearest_lines_may_begin_the_file(hands):
    hands.write("short.py", "def f():\n    return 1\n")
    old = "import os\ndef ff():\n    return 1\n"
    result = await hands.edit("str_replace", "short.py", old_str=old, new_str="x")
    assert "     1\tdef f():\n     2\t    return 1" in result.text


async def test_of_several_like_lines_the_one_in_the_likest_neighbourhood_is_shown(hands):
    block = "class {0}:\n    def __init__(self) -> None:\n        self.{1} = 0\n\n"
    hands.write(
        "y.py", block.format("One", "apples") + block.format("Two", "pears") + block.format("Three", "nuts")
    )
    old = "    def __init__(self) -> None:\n        self.pear = 0\n"
    assert (
        "     7\t        self.pears = 0"
        in (await hands.edit("str_replace", "y.py", old_str=old, new_str="")).text
    )


async def test_nothing_like_it_says_to_view_the_file(hands):
    result = await hands.edit("str_replace", "x.py", old_str="SELECT * FROM customers", new_str="x")
    assert "View the file" in result.text


async def test_line_numbers_copied_from_a_view_are_recognised(hands):
    copied = "\n".join((await hands.edit("view", "x.py", view_range=[5, 6])).text.splitlines())
    result = await hands.edit("str_replace", "x.py", old_str=copied, new_str="x")
    assert result.is_error and "line numbers" in result.text


async def test_carriage_returns_are_pointed_out_and_kept(hands):
    hands.write("crlf.txt", "one\r\ntwo\r\nthree\r\n")
    result = await hands.edit("str_replace", "crlf.txt", old_str="one\ntwo", new_str="x")
    assert result.is_error and "\\r\\n" in result.text
    await hands.edit("str_replace", "crlf.txt", old_str="two", new_str="2")
    assert hands.read("crlf.txt") == "one\r\n2\r\nthree\r\n"


@pytest.mark.parametrize(("old", "new", "words"), [("", "x", "is empty"), ("def f", "def f", "are the same")])
async def test_replacements_that_mean_nothing_are_refused(hands, old, new, words):
    result = await hands.edit("str_replace", "x.py", old_str=old, new_str=new)
    assert result.is_error and words in result.text


@pytest.mark.parametrize(
    ("line", "text", "expected"),
    [
        (0, "import os", "import os\na\nb\n"),
        (1, "x\ny\n", "a\nx\ny\nb\n"),
        (2, "end", "a\nb\nend\n"),
        (1, "", "a\n\nb\n"),
    ],
)
async def test_lines_are_inserted_behind_the_line_that_is_named(hands, line, text, expected):
    hands.write("f", "a\nb\n")
    result = await hands.edit("insert", "f", insert_line=line, insert_text=text)
    assert hands.read("f") == expected
    assert f"{line + 1:6}\t{text.splitlines()[0] if text else ''}" in result.text


async def test_a_last_line_without_an_end_gets_one_before_more_is_added(hands):
    hands.write("f", "a")
    await hands.edit("insert", "f", insert_line=1, insert_text="b")
    assert hands.read("f") == "a\nb\n"
    hands.write("f", "a\nb")
    await hands.edit("insert", "f", insert_line=2, insert_text="c")
    assert hands.read("f") == "a\nb\nc\n"


async def test_the_older_name_of_the_inserted_text_is_understood(hands):
    hands.write("f", "a\n")
    await hands.edit("insert", "f", insert_line=1, new_str="b")
    assert hands.read("f") == "a\nb\n"


@pytest.mark.parametrize("line", [-1, 3, 1_000_000])
async def test_a_line_that_is_not_there_is_answered_with_how_many_there_are(hands, line):
    hands.write("f", "a\nb\n")
    result = await hands.edit("insert", "f", insert_line=line, insert_text="x")
    assert result.is_error and "2 lines" in result.text
    assert hands.read("f") == "a\nb\n"


async def test_the_snippet_of_a_long_edit_shows_both_ends(hands):
    text = "".join(f"line {number}\n" for number in range(1, 501))
    result = await hands.edit("insert", "x.py", insert_line=0, insert_text=text.replace("line", "# line"))
    lines = result.text.splitlines()
    assert len(lines) < 50 and "     1\t# line 1" in lines and "   500\t# line 500" in lines
    assert "[... 464 lines ...]" in lines


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("create", {"file_text": "x = 1\ndef f(:\n"}),
        ("str_replace", {"old_str": "def g():", "new_str": "def g(:"}),
        ("insert", {"insert_line": 4, "insert_text": "def h(:"}),
    ],
)
async def test_an_edit_that_leaves_a_python_file_unparsable_is_done_and_says_so(hands, command, arguments):
    result = await hands.edit(command, "x.py", **arguments)
    line = {"create": 2, "str_replace": 5, "insert": 5}[command]
    assert not result.is_error and "(:" in hands.read("x.py")
    assert "does not parse as Python 3." in result.text
    assert f"line {line}:" in result.text


async def test_only_python_files_are_parsed_and_whole_ones_are_not_mentioned(hands):
    assert "parse" not in (await hands.edit("create", "x.txt", file_text="def f(:")).text
    assert "parse" not in (await hands.edit("create", "y.py", file_text="def f() -> None: ...\n")).text


@pytest.mark.parametrize("text", ["(" * 5_000 + ")" * 5_000, "-" * 90_000 + "1", "a" + "()" * 40_000])
async def test_a_file_nested_without_end_harms_nobody(hands, text):
    result = await hands.edit("create", "deep.py", file_text=text)
    assert not result.is_error and "does not parse" in result.text
    assert hands.read("deep.py") == text


async def test_a_very_large_python_file_is_written_without_being_parsed(hands):
    assert "parse" not in (await hands.edit("create", "large.py", file_text="(" + " " * 200_000)).text


async def test_undo_is_said_not_to_exist(hands):
    result = await hands.edit("undo_edit", "x.py")
    assert result.is_error and "does not exist" in result.text and "str_replace" in result.text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, ["`command` is missing", "nothing"]),
        ({"command": "view"}, ["`path` is missing", "'command'"]),
        ({"command": "delete", "path": "x.py"}, ["no command 'delete'", "view, create, str_replace, insert"]),
        ({"command": "create", "path": "x.py"}, ["`file_text` is missing", "a string"]),
        ({"command": "create", "path": "x.py", "file_text": 3}, ["`file_text` is int 3", "a string"]),
        ({"command": "create", "path": "x.py", "file_text": "\ud800"}, ["`file_text`", "surrogates"]),
        ({"command": "create", "path": ["x"], "file_text": ""}, ["`path` is list ['x']"]),
        ({"command": "str_replace", "path": "x.py", "new_str": ""}, ["`old_str` is missing"]),
        (
            {"command": "insert", "path": "x.py", "insert_text": "x"},
            ["`insert_line` is missing", "whole number"],
        ),
        ({"command": "insert", "path": "x.py", "insert_line": "3", "insert_text": "x"}, ["is str '3'"]),
        ({"command": "insert", "path": "x.py", "insert_line": True, "insert_text": "x"}, ["is bool True"]),
        ({"command": "insert", "path": "x.py", "insert_line": 1}, ["`insert_text` is missing"]),
        ({"command": "view", "path": "x.py", "view_range": [1]}, ["`view_range` is list [1]", "[1, 40]"]),
        ({"command": "view", "path": "x.py", "view_range": "1-2"}, ["`view_range` is str '1-2'"]),
        ({"command": "view", "path": "x.py", "view_range": [True, 2]}, ["`view_range`"]),
    ],
)
async def test_a_wrong_argument_is_named_with_what_it_got_and_what_it_needs(hands, arguments, words):
    result = await hands.run(EDITOR, arguments)
    assert result.is_error and all(word in result.text for word in words), result.text
    assert hands.read("x.py") == _SOURCE


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "link/x", "link", ".git/config", "a\0b", "\ud800"])
@pytest.mark.parametrize("command", ["view", "create", "str_replace", "insert"])
async def test_no_command_leaves_the_workspace(hands, tmp_path, command, path):
    (tmp_path / "x").write_text("canary\n")
    (hands.root / "link").symlink_to(tmp_path)
    arguments = {"file_text": "y", "old_str": "canary", "new_str": "y", "insert_line": 0, "insert_text": "y"}
    result = await hands.edit(command, path, **arguments)
    assert result.is_error and "canary" not in result.text
    assert (tmp_path / "x").read_text() == "canary\n"


async def test_more_than_a_mebibyte_is_refused(hands):
    assert "1,048,577 bytes" in (await hands.edit("create", "big", file_text="x" * ((1 << 20) + 1))).text
    (hands.root / "big").write_bytes(b"x" * ((1 << 20) + 1))
    assert (await hands.edit("view", "big")).is_error
