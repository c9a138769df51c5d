"""Step 5: every rule, then the hidden tests, and what the builder hears of them."""

from __future__ import annotations

from executor.domain.build import State
from executor.web.artifacts import MEDIA
from tests.fakes.acceptance_reply import call, check, decides, review, shows, written
from tests.steps.exam import exam

HIDDEN = "only the author knows"
PRICE = shows(
    "R1", call("GET /price", check("/data/cents", "equals", 12), check("/data/note", "lacks", HIDDEN))
)
NOTHING = shows("R2", call("GET /nothing", status=404), title=HIDDEN)
TESTS = written(
    {**PRICE, "title": HIDDEN}, NOTHING, R1="GET /price answers 12 cents.", R2="GET /nothing is 404."
)
KEEP = review(decides("S1", "keep"))
RIGHT, WRONG = {"cents": 12, "note": ""}, {"cents": 11, "note": ""}


async def test_a_build_without_a_model_is_judged_by_its_rules_alone(tmp_path):
    async with exam(tmp_path, no_model=True, rounds=(WRONG,)) as held:
        build = await held.ended()
        assert set(await held.findings(build)) == {"T1"}
    assert held.model.requests == []


async def test_requirements_join_the_verdict_and_the_report(tmp_path):
    async with exam(tmp_path, TESTS, rounds=(RIGHT,)) as held:
        build = await held.ended()
        findings = await held.findings(build)
    assert {rule: f["result"] for rule, f in findings.items()} == dict.fromkeys(("T1", "A1", "A2"), "pass")
    assert findings["A1"]["title"] == "R1: GET /price answers 12 cents."
    assert build.facts["rules_checked"] == 3


async def test_a_missed_requirement_sends_the_build_back_until_it_holds(tmp_path):
    async with exam(tmp_path, TESTS, KEEP, rounds=(WRONG, RIGHT)) as held:
        build = await held.ended()
        first = await held.artifact(build, "tests", 1)
    assert first["passed"] is False
    assert build.facts["rules_failed"] == []
    assert len(held.fed_back) == 2


async def test_the_builder_learns_the_requirement_and_the_answer_and_not_the_test(tmp_path):
    async with exam(tmp_path, TESTS, KEEP, rounds=(WRONG, RIGHT)) as held:
        build = await held.ended()
        seen = await held.everything_people_see(build)
    (heard,) = held.fed_back[1]
    for told in ("R1: GET /price answers 12 cents.", "Sent GET /price", "status 200", '"cents": 11'):
        assert told in heard
    assert "R2" not in heard
    for kept in (HIDDEN, "equals", "/data/"):
        assert kept not in heard and kept not in seen


async def test_hidden_tests_wait_until_every_rule_holds(tmp_path):
    async with exam(tmp_path, TESTS, rounds=(WRONG, RIGHT), failing=(1,)) as held:
        build = await held.ended()
        assert set(await held.findings(build, 1)) == {"T1"}
    assert len(held.runner.ran) == 1
    assert len(held.model.requests) == 1


async def test_a_service_that_does_not_start_is_the_builders_fault_and_no_test_is_doubted(tmp_path):
    async with exam(tmp_path, TESTS, rounds=("broken", RIGHT)) as held:
        build = await held.ended()
        assert (await held.findings(build, 1))["A0"]["result"] == "fail"
    assert len(held.model.requests) == 1
    assert "it ended while starting" in held.fed_back[1][0]


async def test_no_checkout_is_left_behind(tmp_path):
    async with exam(tmp_path, written(), written()) as held:
        await held.ended(State.FAILED)
    assert list((tmp_path / "places").glob("**/verify-*")) == []


def test_the_web_api_serves_no_hidden_tests():
    assert set(MEDIA) == {"spec", "diff", "tests", "report"}
