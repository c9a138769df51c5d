"""Prompts are files with placeholders, and neither a file nor a value may be missing."""

import re

import pytest

from executor.agent.prompts import prompt
from executor.errors import Permanent
from executor.resources import config_dir


def test_every_placeholder_is_filled_and_what_is_filled_in_is_never_filled_again():
    text = prompt("spec_weak", score="61", min_score="{{score}}", problems="- {{problems}}")
    assert "61 points of 100 and needs {{score}}" in text
    assert "- {{problems}}" in text


def test_a_prompt_that_is_not_there_says_where_it_should_be():
    with pytest.raises(Permanent, match=r"no_such") as caught:
        prompt("no_such")
    assert "config/prompts" in caught.value.hint


@pytest.mark.parametrize(
    "values", [{"score": "1", "min_score": "2"}, {"score": "1", "min_score": "2", "problems": "", "more": ""}]
)
def test_a_value_too_few_or_too_many_is_refused(values):
    with pytest.raises(Permanent, match="differ"):
        prompt("spec_weak", **values)


def test_no_prompt_holds_a_placeholder_that_code_could_not_fill():
    for path in sorted((config_dir() / "prompts").glob("*.md")):
        text = path.read_text(encoding="utf-8")
        assert text.strip(), path.name
        assert len(re.findall(r"\{\{", text)) == len(re.findall(r"\{\{[a-z_]+\}\}", text)), path.name
