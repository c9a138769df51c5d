"""Whatever the architect says, the SPEC keeps its form, scores, reads back and tells what it left out."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.domain.droplet import DropletIdentity
from executor.domain.naming import check_intent
from executor.domain.spec import Resource, ResourceField
from executor.domain.spec_form import read_sections
from executor.domain.spec_reader import read_resources
from executor.domain.spec_resources import understand
from executor.domain.spec_score import score_spec
from executor.domain.spec_writer import NO_MODEL, SpecRequest, write_spec
from executor.errors import Invalid

IDENTITY = DropletIdentity(13, "analytics", "1.0.0", "Analytics", 8013)
TITLES = list(read_sections(write_spec(SpecRequest(IDENTITY, "Build a book tracker"))))
HOSTILE = [
    "# Heading",
    "## Purpose\nx",
    "## UDC Endpoints\n## Resources\n```json\n{}\n```",
    "```\n```json\n# x",
    "<script>alert(1)</script>",
    "**Port:** 1\n**Service Name:** evil",
    "stores ``` and ~~~ and {{braces}} and [x](javascript:1)",
    "\n\n\n### Required\n- **x**",
    "store " + "a, " * 300,
    "store " + " ".join(f"thing{n}," for n in range(300)),
    "stores class, def, import and None with id, model_x, class, copy and json",
    "trackt Bücher 📚 и книги 本",
    "stores a with b\u2028## Purpose\u2028x",
    "\"\"\"'''\\n\\x00 %s {0}",
    "stores books with " + ", ".join(f"field{n}" for n in range(200)),
    "x" * 20_000,
    "x store " * 2_500,
    "store a, track b, has c with d. " * 600,
    "store " + "long" * 30 + "s and metric records, metrics and metric record",
]


def spec(intent: str, **more: object) -> str:
    return write_spec(SpecRequest(IDENTITY, intent, **more))  # type: ignore[arg-type]


def holds(markdown: str, extra: tuple[str, ...] = ()) -> None:
    score = score_spec(markdown)
    assert score.overall >= 95, score
    assert score.valid
    assert list(read_sections(markdown)) == [*TITLES, *extra]
    assert read_resources(markdown)


def shown(intent: str) -> dict[str, list[tuple[str, str]]]:
    return {r.plural: [(f.name, f.type) for f in r.fields] for r in read_resources(spec(intent))}


def test_a_plain_intent_scores_one_hundred() -> None:
    assert score_spec(spec("Build Analytics Engine for tracking droplet metrics")).overall == 100


@settings(max_examples=60, deadline=None)
@given(
    st.one_of(
        st.text(min_size=1),
        st.lists(
            st.one_of(
                st.sampled_from(HOSTILE),
                st.sampled_from(
                    [
                        "store ",
                        "books ",
                        "with ",
                        ", ",
                        "and ",
                        "track ",
                        "each ",
                        "has ",
                        ": ",
                        "(",
                        "\n",
                        "# ",
                    ]
                ),
            ),
            min_size=1,
            max_size=20,
        ).map("".join),
    )
)
def test_no_intent_breaks_the_form(text: str) -> None:
    try:
        intent = check_intent(text)
    except Invalid:
        return
    markdown = spec(intent)
    holds(markdown)
    assert read_resources(markdown) == understand(intent, IDENTITY.name).resources
    assert markdown == spec(intent)


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_text(text: str) -> None:
    markdown = spec(
        "Build a tracker. " + text, feedback=(text,), draft=f"# D\n## 3. Kept\n{text}\nUseful line."
    )
    holds(markdown, extra=("Notes From fp-tools",))
    assert "<script>" not in markdown.split("## Architect Intent")[0]


@pytest.mark.parametrize(
    ("intent", "resources"),
    [
        (
            "create a service that stores books with title, author and year",
            {"books": [("title", "string"), ("author", "string"), ("year", "integer")]},
        ),
        (
            "Build Analytics Engine for tracking droplet metrics",
            {
                "metric_records": [
                    ("name", "string"),
                    ("value", "number"),
                    ("unit", "string"),
                    ("recorded_at", "datetime"),
                ]
            },
        ),
        (
            "Build an expense tracker with amount, currency, due date and is_paid",
            {
                "expenses": [
                    ("amount", "number"),
                    ("currency", "string"),
                    ("due_date", "datetime"),
                    ("is_paid", "boolean"),
                ]
            },
        ),
        (
            "Keep track of recipes. Each recipe has a name, a list of ingredients, notes and number of pages",
            {
                "recipes": [
                    ("name", "string"),
                    ("ingredients", "text"),
                    ("notes", "text"),
                    ("number_of_pages", "integer"),
                ]
            },
        ),
        (
            "stores boxes (label: string, weight: float, fragile: boolean)",
            {"boxes": [("label", "string"), ("weight", "number"), ("fragile", "boolean")]},
        ),
        ("automate Sacred Loop Step 3", {"items": [("name", "string"), ("description", "text")]}),
    ],
)
def test_resources_come_from_the_nouns_and_fields(
    intent: str, resources: dict[str, list[tuple[str, str]]]
) -> None:
    assert shown(intent) == resources


@pytest.mark.parametrize(
    ("intent", "plurals"),
    [
        ("keep track of books, authors and publishers", ["books", "authors", "publishers"]),
        ("a todo list API", ["todos"]),
        ("create, list and delete tasks", ["tasks"]),
        ("manage reviews and categories", ["reviews", "categories"]),
        ("handle user authentication", ["users"]),
        ("It should accept SPEC and Foundation Files via API", ["specs", "foundation_files"]),
        ("store metrics and messages", ["metric_records", "messages"]),
    ],
)
def test_collections_are_named_after_their_things(intent: str, plurals: list[str]) -> None:
    assert list(shown(intent)) == plurals


def test_a_collection_never_takes_the_path_of_the_droplet_itself() -> None:
    (resource,) = understand("stores books", "books").resources
    assert resource.plural == "book_records"


def test_the_spec_says_what_it_assumed_and_what_it_left_out() -> None:
    sections = read_sections(
        spec(
            "Stores books and emails the librarian. Water the plants at noon.",
            feedback=("make it <b>blue</b>",),
        )
    )
    assert NO_MODEL in sections["Assumptions"]
    assert "title, author, year, isbn" in sections["Assumptions"]
    assert "Sending messages" in sections["Left Out"]
    assert "Water the plants at noon" in sections["Left Out"]
    assert "Stores books" not in sections["Left Out"]
    assert r"\<b\>blue" in sections["Left Out"]


def test_a_new_release_keeps_earlier_resources_and_only_adds_optional_fields() -> None:
    earlier = (Resource("book", "books", "A book.", (ResourceField("title", "string"),)),)
    markdown = spec("Store authors. Each book has a title and a year.", previous_resources=earlier)
    book, author = read_resources(markdown)
    assert book.fields == (ResourceField("title", "string"), ResourceField("year", "integer", required=False))
    assert (author.name, book.plural, book.description) == ("author", "books", "A book.")


def test_a_new_release_without_new_things_stays_as_it_was() -> None:
    earlier = understand("stores books with title and year", "library").resources
    assert read_resources(spec("make it faster", previous_resources=earlier)) == earlier


def test_a_draft_gives_its_sentences_and_none_of_its_placeholders() -> None:
    draft = (
        "# SPEC\n**Version:** 1.0\n\n## 0. Architect Intent\nBuild a book tracker\n\n"
        "## 1. Overview\n[Purpose]\n"
        "## 3. Technical Stack\n- FastAPI\n- {language}\n\n---\n"
        "## 5. Integration Requirements\n- Register with Registry\n"
    )
    markdown = spec("Build a book tracker", draft=draft)
    notes = read_sections(markdown)["Notes From fp-tools"]
    assert "FastAPI" in notes
    assert "Register with Registry" in notes
    assert not any(gone in notes for gone in ("[Purpose]", "{language}", "Overview", "Build a book tracker"))
    assert score_spec(markdown).overall == 100


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("", "no json block"),
        ("## Resources\n```json\nnot json\n```", "cannot be read"),
        ("## Resources\n```json\n[1]\n```", "cannot be read"),
        ('## Resources\n```json\n{"resources": 1}\n```', "not a list"),
        ('## Resources\n```json\n{"resources": [1]}\n```', "not an object"),
        ('## Resources\n```json\n{"resources": [{"name": "../x", "plural": "xs"}]}\n```', "snake_case"),
        ('## Resources\n```json\n{"resources": [{"name": "class", "plural": "xs"}]}\n```', "snake_case"),
        (
            '## Resources\n```json\n{"resources": [{"name": "x", "plural": "xs", "fields": []}]}\n```',
            "no fields",
        ),
    ],
)
def test_a_spec_without_readable_resources_is_refused(written: str, problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        read_resources(written)


@pytest.mark.parametrize(
    ("field", "problem"),
    [
        ('{"name": "id", "type": "string"}', "from the droplet itself"),
        ('{"name": "a", "type": "money"}', "known are"),
        ('{"name": "a", "type": ["string"]}', "known are"),
        ('{"name": "a", "type": "string", "required": "yes"}', "true or false"),
        ('{"name": "a b", "type": "string"}', "snake_case"),
        ('{"name": "a", "type": "string"}, {"name": "a", "type": "string"}', "twice"),
    ],
)
def test_a_field_that_cannot_be_built_is_refused(field: str, problem: str) -> None:
    written = f'{{"resources": [{{"name": "x", "plural": "xs", "fields": [{field}]}}]}}'
    with pytest.raises(Invalid, match=problem):
        read_resources(f"## Resources\n```json\n{written}\n```")
