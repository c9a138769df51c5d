"""Every line of the spec-verifier's table of points, and the scores that were measured on real documents."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.domain.spec_score import score_spec

PATHS = ("GET /health", "GET /capabilities", "GET /state", "GET /dependencies", "POST /message")
METADATA = "**Service Name:** books\n**Version:** 1.0.0\n**Port:** 8013\n"
UDC = "\n".join(f"### {n}. {path}\nAnswers 200." for n, path in enumerate(PATHS, 1))
SECTIONS = {
    "Purpose": "p" * 100,
    "Capabilities": "c" * 200,
    "UDC Endpoints": UDC,
    "Dependencies": "### Required\n- **Registry** knows us\n\n### Optional\n- **Orchestrator** sends work",
    "Business Logic Endpoints": '### 1. GET /books\n```json\n{"data": []}\n```\n' + "b" * 100,
    "Optimization Opportunities": "o" * 50,
    "Tech Stack": "t" * 50,
    "File Structure": "f" * 50,
    "Example Usage": "e" * 50,
}


def document(metadata: str = METADATA, **changes: str | None) -> str:
    """A perfect SPEC with some sections replaced or, given None, left out (spaces written as _)."""
    sections = {**SECTIONS, **{title.replace("_", " "): body for title, body in changes.items()}}
    return f"# Books\n{metadata}\n" + "\n\n".join(
        f"## {t}\n{b}" for t, b in sections.items() if b is not None
    )


def test_a_spec_written_to_the_form_scores_one_hundred() -> None:
    score = score_spec(document())
    assert (score.completeness, score.clarity, score.udc_compliance, score.build_readiness) == (
        100,
        100,
        100,
        100,
    )
    assert score.overall == 100
    assert score.valid
    assert score.recommendations == ()


def test_nothing_scores_nothing_and_says_why() -> None:
    score = score_spec("")
    assert score.overall == 0
    assert len(score.errors) == 8
    assert not score.valid


def test_untouched_fp_tools_output_scores_three() -> None:
    draft = (
        "# Droplet #11: Custom SPEC\n**Version:** 1.0\n**Date:** 2026-11-22\n\n"
        "## 0. Architect Intent\nBuild it\n\n"
        "## 1. Overview\n[Describe the purpose]\n\n## 2. Key Features\n- [Feature 1]\n\n"
        "## 4. API Endpoints\n[Endpoints]"
    )
    assert score_spec(draft).overall == 3


@pytest.mark.parametrize("title", ["Capabilities", "Dependencies"])
def test_a_required_section_is_a_quarter_of_85(title: str) -> None:
    assert score_spec(document(**{title: "x" * 49})).completeness == 78
    assert score_spec(document(**{title: None})).completeness == 78


@pytest.mark.parametrize(
    "title", ["Business_Logic_Endpoints", "Optimization_Opportunities", "Tech_Stack", "Example_Usage"]
)
def test_a_bonus_section_is_a_quarter_of_15(title: str) -> None:
    assert score_spec(document(**{title: "x" * 49})).completeness == 96


def test_file_structure_is_no_part_of_completeness() -> None:
    assert score_spec(document(File_Structure=None)).completeness == 100


@pytest.mark.parametrize("label", ["Service Name", "Version", "Port"])
def test_each_metadata_line_is_ten_points_of_clarity(label: str) -> None:
    lines = "".join(line + "\n" for line in METADATA.splitlines() if label not in line)
    assert score_spec(document(metadata=lines)).clarity == 90


@pytest.mark.parametrize(("size", "clarity"), [(100, 100), (99, 85), (50, 85), (49, 70)])
def test_purpose_is_worth_30_or_15(size: int, clarity: int) -> None:
    assert score_spec(document(Purpose="p" * size)).clarity == clarity


@pytest.mark.parametrize(("size", "clarity"), [(200, 100), (199, 90), (100, 90), (99, 80)])
def test_capabilities_are_worth_20_or_10(size: int, clarity: int) -> None:
    assert score_spec(document(Capabilities="c" * size)).clarity == clarity


def test_core_capabilities_count_for_clarity_but_not_for_completeness() -> None:
    score = score_spec(document(Capabilities=None, Core_Capabilities="c" * 200))
    assert (score.clarity, score.completeness) == (100, 78)


@pytest.mark.parametrize(("fence", "clarity"), [("json", 100), ("python", 100), ("bash", 80)])
def test_a_json_or_python_block_is_twenty_points(fence: str, clarity: int) -> None:
    assert score_spec(document(Business_Logic_Endpoints=f"```{fence}\n{'x' * 100}\n```")).clarity == clarity


@pytest.mark.parametrize("count", range(6))
def test_udc_is_the_share_of_the_five(count: int) -> None:
    body = "\n".join(f"### {n}. {path}" for n, path in enumerate(PATHS[:count], 1))
    score = score_spec(document(UDC_Endpoints=body))
    assert score.udc_compliance == 20 * count
    assert len(score.errors) == 5 - count


def test_the_heading_with_five_of_five_counts_for_udc_but_not_for_completeness() -> None:
    score = score_spec(document(UDC_Endpoints=None, **{"UDC_Endpoints_(5/5)": UDC}))
    assert (score.udc_compliance, score.completeness) == (100, 78)


@pytest.mark.parametrize(
    ("change", "readiness"),
    [
        ({"Dependencies": "- **Registry** without a heading, long enough to count as a section"}, 70),
        ({"Tech_Stack": "x" * 49}, 80),
        ({"File_Structure": "x" * 49}, 80),
        ({"Business_Logic_Endpoints": "x" * 99}, 85),
        ({"Example_Usage": "x" * 49}, 85),
    ],
)
def test_build_readiness_loses_the_points_of_its_line(change: dict[str, str], readiness: int) -> None:
    assert score_spec(document(**change)).build_readiness == readiness


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        (document(metadata="**Port:** 1\n**Version:** 1"), "Service Name"),
        (document(metadata="**Service Name:** a\n**Version:** 1"), "Port"),
        (document(metadata="\n" * 20 + METADATA), "Port"),
        (document(Purpose="x" * 49), "Purpose"),
        (document().replace("## Purpose", "## 1. Purpose"), "Purpose"),
        (document().replace("### 3. GET /state", "### GET /state"), "/state"),
        (document().replace("## Purpose", "### Purpose"), "Purpose"),
    ],
)
def test_an_error_makes_a_spec_invalid_whatever_it_scores(spec: str, error: str) -> None:
    score = score_spec(spec)
    assert not score.valid
    assert any(error in line for line in score.errors)


def test_the_last_of_two_sections_with_one_title_wins() -> None:
    assert not score_spec(document() + "\n## Purpose\nshort").valid


def test_a_hash_line_in_a_code_block_ends_the_section_as_it_does_for_the_verifier() -> None:
    assert score_spec(document(Tech_Stack="```bash\n# comment\n" + "x" * 60)).build_readiness == 80


@given(st.text())
def test_any_text_has_a_score_between_nothing_and_one_hundred(text: str) -> None:
    assert 0 <= score_spec(text).overall <= 100
