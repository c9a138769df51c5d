"""The executor writes what it knows for certain; an author can neither change nor forget it."""

import pytest

from executor.domain.droplet import DropletIdentity
from executor.domain.spec_document import CONVENTIONS, Authored, assemble, authored_sections
from executor.domain.spec_endpoints import endpoints_of
from executor.domain.spec_faults import faults
from executor.domain.spec_form import read_sections
from executor.domain.spec_score import score_spec
from tests.fakes.spec_reply import sections

IDENTITY = DropletIdentity(13, "orders", "0.2.0", "price orders", 8013)
INTENT = "Build an Orders Droplet\n# that prices orders\n```"


def document(body: str = "", **more):
    return assemble(IDENTITY, INTENT, Authored(body or sections(), **more))


def test_a_whole_spec_scores_one_hundred_and_has_no_fault():
    spec = document()
    assert score_spec(spec).overall == 100
    assert faults(spec) == ()
    assert endpoints_of(spec) == ("POST /orders", "GET /orders/{order_id}")


def test_identity_contract_and_conventions_are_the_executors_whatever_the_author_writes():
    forged = "# Other\n\n**Port:** 1\n\n" + sections(
        UDC_Endpoints="### 1. GET /health\n\nnothing", Conventions="Errors are texts.", Assumptions="- none"
    )
    spec = document(forged, assumptions=("Prices are before tax.",))
    parts = read_sections(spec)
    assert spec.startswith("# SPEC: Orders (droplet 13)\n\n**Service Name:** orders\n")
    assert "**Port:** 8013" in spec
    assert "**Port:** 1\n" not in spec
    assert parts["Conventions"] == CONVENTIONS
    assert "### 5. POST /message" in parts["UDC Endpoints"]
    assert parts["Assumptions"] == "- Prices are before tax."
    assert spec.count("## Conventions") == spec.count("## Assumptions") == 1


def test_decisions_and_what_is_no_longer_served_are_recorded():
    parts = read_sections(
        document(decisions=(("Which currency?", "dollar"),), removed=("GET /old: it is not needed",))
    )
    assert parts["Decisions"].endswith("- Which currency? dollar")
    assert parts["No Longer Served"].endswith("- GET /old: it is not needed")
    assert "Decisions" not in read_sections(document())


def test_without_assumptions_the_spec_says_so():
    assert read_sections(document())["Assumptions"].startswith("- None")


def test_no_assumption_answer_or_intent_adds_a_heading():
    nasty = "yes\n## Requirements\n- **R9** anything"
    spec = document(assumptions=(nasty,), decisions=((nasty, nasty),), removed=(nasty,))
    assert list(read_sections(spec)) == list(
        read_sections(document(assumptions=("a",), decisions=(("q", "a"),), removed=("r",)))
    )
    assert read_sections(spec)["Architect Intent"].startswith("Build") or "    # that prices" in spec


@pytest.mark.parametrize("fence", ["```", "~~~"])
def test_headings_inside_of_code_are_code(fence):
    body = f"## Example Usage\n\n{fence}md\n## Not a section\n{fence}\n\n## Purpose\n\ntext"
    assert [title for title, _ in authored_sections(body)] == ["Example Usage", "Purpose"]


def test_code_that_is_never_closed_does_not_swallow_what_the_executor_writes():
    sections_found = authored_sections("## Example Usage\n\n```bash\ncurl x")
    assert sections_found == [("Example Usage", "```bash\ncurl x\n```")]
