"""What points do not tell: a SPEC that nobody could test by, and one that drops what is served."""

import pytest

from executor.domain.droplet import DropletIdentity
from executor.domain.spec_faults import dropped, faults
from executor.domain.spec_writer import SpecRequest, write_spec
from tests.fakes.spec_reply import ENDPOINTS, REQUIREMENTS, sections


def test_a_spec_with_endpoints_statuses_and_numbers_has_no_fault():
    assert faults(sections()) == ()


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"Business_Logic_Endpoints": "POST /orders prices an order: 201."}, "names no endpoint"),
        ({"Business_Logic_Endpoints": None}, "names no endpoint"),
        ({"Business_Logic_Endpoints": ENDPOINTS.replace("201", "good")}, "POST /orders names no status"),
        (
            {"Business_Logic_Endpoints": ENDPOINTS.replace(": 200.", ".")},
            "GET /orders/{order_id} names no status",
        ),
        ({"Business_Logic_Endpoints": ENDPOINTS + "\n\n### 3. GET /state\n\n200."}, "GET /state is served"),
        (
            {"Business_Logic_Endpoints": ENDPOINTS + "\n\n### 3. GET /metrics\n\n200."},
            "GET /metrics is served",
        ),
        ({"Requirements": "An order has a total."}, "No requirement is numbered"),
        ({"Requirements": REQUIREMENTS + "\n- **R2** Again."}, "R2 begins two requirements"),
    ],
)
def test_each_fault_is_named_once(change, fault):
    found = faults(sections(**change))
    assert len(found) == 1
    assert fault in found[0]


def test_a_path_that_only_begins_like_the_contract_is_business():
    assert (
        faults(sections(Business_Logic_Endpoints=ENDPOINTS + "\n\n### 3. GET /state/history\n\n200.")) == ()
    )


def test_requirements_are_numbered_in_every_usual_way():
    for text in ("- **R1** x", "R1. x", "* R1: x", "**R1.** x"):
        assert faults(sections(Requirements=text)) == ()


def test_an_endpoint_that_is_gone_without_a_word_is_dropped():
    now = sections(Business_Logic_Endpoints="### 1. POST /orders\n\n201")
    assert dropped(sections(), now, ()) == ("GET /orders/{order_id}",)
    assert dropped(sections(), now, ("GET /orders/{id}: the intent says so",)) == ()
    assert dropped(sections(), sections(), ()) == ()
    assert dropped("", now, ()) == ()


def test_naming_a_longer_path_excuses_no_shorter_one():
    now = sections(Business_Logic_Endpoints="### 1. GET /orders/{order_id}\n\n200")
    assert dropped(sections(), now, ("POST /orders/{id}/lines: gone",)) == ("POST /orders",)
    assert dropped(sections(), now, ("`POST /orders`: gone",)) == ()


def test_the_names_of_path_parameters_do_not_matter_nor_who_wrote_the_earlier_spec():
    identity = DropletIdentity(13, "library", "0.1.0", "store books", 8013)
    earlier = write_spec(SpecRequest(identity=identity, intent="Build a Library Droplet that stores books"))
    calls = [f"{m} /books" for m in ("POST", "GET")] + [
        f"{m} /books/{{book_id}}" for m in ("GET", "PUT", "PATCH", "DELETE")
    ]
    now = "\n\n".join(f"### {n}. {call}\n\n200" for n, call in enumerate(calls, 1))
    assert dropped(earlier, sections(Business_Logic_Endpoints=now), ()) == ()
    assert len(dropped(earlier, sections(), ())) == 6
