"""Head and tail of what is printed."""

import os

from hypothesis import given
from hypothesis import strategies as st

from executor.sandbox.output import HeadTail, OutputReader


def test_short_output_is_kept_as_it_is():
    kept = HeadTail(100)
    kept.add(b"one ")
    kept.add(b"two")
    assert kept.text() == "one two"


def test_long_output_keeps_its_head_and_tail_and_counts_the_rest():
    kept = HeadTail(10)
    kept.add(b"aaaaa" + b"x" * 1000 + b"bbbbb")
    assert kept.text() == "aaaaa\n[... 1000 bytes left out ...]\nbbbbb"
    assert kept.total == 1010


@given(st.lists(st.binary(max_size=40)), st.integers(2, 64))
def test_whatever_the_pieces_head_and_tail_are_those_of_the_whole(pieces, limit):
    kept, whole, half = HeadTail(limit), b"".join(pieces), limit // 2
    for piece in pieces:
        kept.add(piece)
    if len(whole) <= 2 * half:
        assert kept.text() == whole.decode("utf-8", "replace")
    else:
        assert kept.text().startswith(whole[:half].decode("utf-8", "replace"))
        assert kept.text().endswith(whole[-half:].decode("utf-8", "replace"))
        assert kept.total == len(whole)


def test_characters_that_are_not_utf8_do_not_break_it():
    kept = HeadTail(10)
    kept.add(b"\xff\xfe")
    assert kept.text() == "\ufffd\ufffd"


async def test_a_reader_returns_although_somebody_still_holds_the_pipe():
    reader = OutputReader(100)
    held = os.dup(reader.write_end)
    reader.begin()
    os.write(held, b"said")
    await reader.end(0.1)
    os.close(held)
    assert reader.kept.text() == "said"
