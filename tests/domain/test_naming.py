"""Names and numbers follow the identity rules, whatever people type."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.domain.naming import (
    LONGEST_INTENT,
    RESERVED_NAMES,
    check_intent,
    check_name,
    derive_name,
    make_build_id,
    next_droplet_id,
    one_line,
    parse_build_id,
)
from executor.errors import Invalid


@pytest.mark.parametrize(
    ("intent", "name"),
    [
        ("Build Coordinator Droplet to automate Sacred Loop Step 3", "coordinator"),
        ("Build Analytics Engine for tracking droplet metrics", "analytics"),
        ("FPAI, build the Coordinator Droplet to automate Step 3", "coordinator"),
        ("Build a Tools Droplet that stores tools with name and kind", "tools"),
        ("Build a web service API that stores films", "film"),
        ("FPAI, build me a droplet that does X", "x"),
        ("create a service that stores books", "book"),
        ("stores books with title, author and year", "book"),
        ("books", "books"),
        ("a todo list API", "todo-list"),
        ("Build an expense tracker", "expense-tracker"),
        ("Build 5 droplets to handle user authentication", "user-authentication"),
        ("We need something that lets people list recipes", "recipe"),
        ("a service for managing customer orders", "customer-order"),
        ("Créer un service de réservation", "reservation"),
        ("Build a health service", "health-droplet"),
        ("3d printer queue api", "printer-queue"),
        ("построй сервис", "droplet"),
        ("🚀🚀", "droplet"),
        ("the a an", "droplet"),
        ("Build", "droplet"),
        ("42", "droplet"),
    ],
)
def test_the_name_is_what_the_sentence_calls_it(intent: str, name: str) -> None:
    assert derive_name(intent) == name


@given(st.text())
def test_every_text_gives_a_name_that_passes_the_check(intent: str) -> None:
    name = derive_name(intent)
    assert check_name(name) == name
    assert name not in RESERVED_NAMES


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Analytics Engine", "analytics-engine"),
        ("analytics_engine", "analytics-engine"),
        ("  Coordinator ", "coordinator"),
        ("a1", "a1"),
        ("x" * 40, "x" * 40),
    ],
)
def test_a_chosen_name_is_normalised(written: str, name: str) -> None:
    assert check_name(written) == name


@pytest.mark.parametrize(
    "bad",
    [
        "",
        "   ",
        "../x",
        "x/y",
        "x" * 41,
        "1x",
        "-x",
        "x-",
        "näme",
        "health",
        "Executor",
        "a;b",
        "x\x00",
        "x.y",
        "état",
    ],
)
def test_a_name_that_cannot_serve_is_refused_with_its_place(bad: str) -> None:
    with pytest.raises(Invalid) as error:
        check_name(bad)
    assert error.value.details["fields"][0]["loc"] == ["droplet_name"]
    assert error.value.hint


@pytest.mark.parametrize("bad", ["", " \n\t ", "x\x00y", "\x1b[31mred", "x" * 100_000, "\ud800", "a\x85b"])
def test_what_is_no_intent_is_refused_with_its_place(bad: str) -> None:
    with pytest.raises(Invalid) as error:
        check_intent(bad)
    assert error.value.details["fields"][0]["loc"] == ["architect_intent"]


def test_an_intent_keeps_its_lines_and_loses_its_margins() -> None:
    assert check_intent("  build\r\nthis\u2028and\tthat 🚀\n") == "build\nthis\nand\tthat 🚀"
    assert len(check_intent("x" * LONGEST_INTENT)) == LONGEST_INTENT


def test_one_line_is_the_first_sentence_and_never_too_long() -> None:
    assert one_line("Build this.\nThen that.") == "Build this."
    assert len(one_line("word " * 200)) <= 200


def test_a_build_id_holds_droplet_day_and_number() -> None:
    build_id = make_build_id(13, "analytics-engine", date(2026, 11, 22), 7)
    assert build_id == "build-13-analytics-engine-20261122-007"
    assert parse_build_id(build_id) == parse_build_id(build_id)
    read = parse_build_id(build_id)
    assert read is not None
    assert (read.droplet_id, read.name, read.day, read.number) == (13, "analytics-engine", "20261122", 7)


@given(
    st.integers(1, 10**9),
    st.from_regex(r"[a-z]([a-z0-9-]{0,10}[a-z0-9])?", fullmatch=True),
    st.dates(date(2000, 1, 1), date(2999, 1, 1)),
    st.integers(1, 10**6),
)
def test_a_build_id_reads_back_whatever_the_name(droplet_id: int, name: str, day: date, number: int) -> None:
    read = parse_build_id(make_build_id(droplet_id, name, day, number))
    assert read is not None
    assert (read.droplet_id, read.name, read.number) == (droplet_id, name, number)


@pytest.mark.parametrize(
    "bad", ["", "build-1", "build-1-x-2026-001", "build-x-y-20261122-001", "build-1-x-20261122-001\n"]
)
def test_what_is_no_build_id_reads_as_none(bad: str) -> None:
    assert parse_build_id(bad) is None


def test_the_next_droplet_id_is_one_above_the_highest_known() -> None:
    assert next_droplet_id([12]) == 13
    assert next_droplet_id([3, 40, 12]) == 41
    assert next_droplet_id([]) == 1
