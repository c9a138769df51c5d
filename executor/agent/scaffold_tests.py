"""The scaffold's tests for one resource: what works, what is refused, what is missing, what stays."""

from __future__ import annotations

from collections.abc import Iterable
from string import Template

from executor.agent.scaffold_plan import PlannedField, PlannedResource
from executor.domain.spec import FieldType

SAMPLES: dict[FieldType, str] = {
    "string": '"a sample"',
    "text": '"a longer sample\\nof two lines"',
    "integer": "7",
    "number": "2.5",
    "boolean": "True",
    "datetime": '"2026-01-02T03:04:05Z"',
}
CHANGES: dict[FieldType, str] = {
    "string": '"changed"',
    "text": '"changed as well"',
    "integer": "-8",
    "number": "3.25",
    "boolean": "False",
    "datetime": '"2027-02-03T04:05:06Z"',
}
WRONG: dict[FieldType, tuple[str, ...]] = {
    "string": ("5", '"x" * 501'),
    "text": ("5", '"x" * 20_001'),
    "integer": ('"7"', "2**63", "1.5"),
    "number": ('"2.5"', "10**400"),
    "boolean": ('"yes"', "2"),
    "datetime": ('"soon"', "0"),
}

TESTS = Template('''"""Tests of /$path."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.conftest import MakeApp

PATH = "/$path"
SAMPLE: dict[str, Any] = {$sample}
CHANGED: dict[str, Any] = {$changed}
REQUIRED: list[str] = [$required]
WRONG: list[tuple[str, Any]] = [$wrong]


def stored(client: TestClient) -> dict[str, Any]:
    """Create one and return what came back."""
    answer = client.post(PATH, json=SAMPLE)
    assert answer.status_code == 201
    data = answer.json()["data"]
    assert isinstance(data, dict)
    return data


def test_what_is_created_can_be_read(client: TestClient) -> None:
    answer = client.post(PATH, json=SAMPLE)
    assert answer.status_code == 201
    made = answer.json()["data"]
    read = client.get(answer.headers["location"])
    assert read.status_code == 200
    assert read.json()["data"] == made
    assert {name: made[name] for name in SAMPLE} == SAMPLE
    assert made["created_at"] == made["updated_at"]


def test_every_answer_carries_meta(client: TestClient) -> None:
    number = stored(client)["id"]
    for path in (PATH, f"{PATH}/{number}"):
        meta = client.get(path).json()["meta"]
        assert meta["timestamp"]
        assert meta["version"]


def test_fields_that_are_not_required_may_be_left_out(client: TestClient) -> None:
    least = {name: SAMPLE[name] for name in REQUIRED}
    answer = client.post(PATH, json=least)
    assert answer.status_code == 201
    assert all(answer.json()["data"][name] is None for name in SAMPLE if name not in REQUIRED)


def test_a_list_comes_in_parts(client: TestClient) -> None:
    numbers = [stored(client)["id"] for _ in range(3)]
    answer = client.get(PATH, params={"limit": 2, "offset": 1})
    assert answer.status_code == 200
    body = answer.json()
    assert [entry["id"] for entry in body["data"]] == numbers[1:]
    assert body["meta"]["total"] == 3
    assert (body["meta"]["limit"], body["meta"]["offset"]) == (2, 1)


def test_a_list_of_nothing_is_empty(client: TestClient) -> None:
    body = client.get(PATH).json()
    assert body["data"] == []
    assert body["meta"]["total"] == 0


@pytest.mark.parametrize("query", ["limit=0", "limit=201", "limit=x", "offset=-1"])
def test_a_part_that_cannot_be_is_400(client: TestClient, query: str) -> None:
    assert client.get(f"{PATH}?{query}").status_code == 400


def test_replacing_sets_every_field(client: TestClient) -> None:
    number = stored(client)["id"]
    answer = client.put(f"{PATH}/{number}", json=CHANGED)
    assert answer.status_code == 200
    assert {name: answer.json()["data"][name] for name in CHANGED} == CHANGED
    assert client.get(f"{PATH}/{number}").json()["data"] == answer.json()["data"]


def test_changing_one_field_leaves_the_others(client: TestClient) -> None:
    number = stored(client)["id"]
    expected = dict(SAMPLE)
    for name, value in CHANGED.items():
        expected[name] = value
        answer = client.patch(f"{PATH}/{number}", json={name: value})
        assert answer.status_code == 200
        assert {key: answer.json()["data"][key] for key in SAMPLE} == expected


def test_a_change_of_nothing_changes_nothing(client: TestClient) -> None:
    made = stored(client)
    answer = client.patch(f"{PATH}/{made['id']}", json={})
    assert answer.status_code == 200
    assert {name: answer.json()["data"][name] for name in SAMPLE} == SAMPLE


def test_what_is_deleted_is_gone(client: TestClient) -> None:
    number = stored(client)["id"]
    answer = client.delete(f"{PATH}/{number}")
    assert answer.status_code == 204
    assert answer.content == b""
    assert client.get(f"{PATH}/{number}").status_code == 404
    assert client.delete(f"{PATH}/{number}").status_code == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_what_is_not_there_is_404(client: TestClient, method: str) -> None:
    body = SAMPLE if method in ("PUT", "PATCH") else None
    answer = client.request(method, f"{PATH}/999", json=body)
    assert answer.status_code == 404
    assert answer.json()["error"]["code"] == "NOT_FOUND"


@pytest.mark.parametrize("number", ["0", "-1", "x", "1.5", str(2**63)])
def test_an_id_that_cannot_be_is_400(client: TestClient, number: str) -> None:
    assert client.get(f"{PATH}/{number}").status_code == 400


def test_a_required_field_that_is_missing_or_null_is_400(client: TestClient) -> None:
    number = stored(client)["id"]
    for name in REQUIRED:
        without = {key: value for key, value in SAMPLE.items() if key != name}
        assert client.post(PATH, json=without).status_code == 400
        assert client.put(f"{PATH}/{number}", json=without).status_code == 400
        assert client.patch(f"{PATH}/{number}", json={name: None}).status_code == 400


def test_a_value_of_another_kind_or_size_is_400(client: TestClient) -> None:
    number = stored(client)["id"]
    for name, value in WRONG:
        answer = client.post(PATH, json={**SAMPLE, name: value})
        assert answer.status_code == 400, (name, value)
        assert answer.json()["error"]["details"]["fields"]
        assert client.patch(f"{PATH}/{number}", json={name: value}).status_code == 400


@pytest.mark.parametrize("body", [{**SAMPLE, "unknown field": 1}, [], "text", None])
def test_a_body_of_another_form_is_400(client: TestClient, body: object) -> None:
    assert client.post(PATH, json=body).status_code == 400


def test_what_is_stored_outlives_the_process(make_app: MakeApp) -> None:
    with TestClient(make_app()) as first:
        made = stored(first)
    with TestClient(make_app()) as second:
        assert second.get(f"{PATH}/{made['id']}").json()["data"] == made


def test_the_endpoints_are_listed_among_the_capabilities(client: TestClient) -> None:
    operations = client.get("/capabilities").json()["supported_operations"]
    assert {f"POST {PATH}", f"GET {PATH}", f"DELETE {PATH}/{{item_id}}"} <= set(operations)
''')


def test_files(resource: PlannedResource) -> dict[str, str]:
    """Return the test file of one resource: its name relative to the droplet, and its text."""
    fields = resource.fields
    text = TESTS.substitute(
        path=resource.path,
        sample=_lines(f'"{field.name}": {SAMPLES[field.type]}' for field in fields),
        changed=_lines(f'"{field.name}": {CHANGES[field.type]}' for field in fields),
        required=_lines(f'"{field.name}"' for field in fields if field.required),
        wrong=_lines(f'("{field.name}", {value})' for field in fields for value in _wrong(field)),
    )
    return {f"tests/test_resource_{resource.module}.py": text}


def _wrong(field: PlannedField) -> tuple[str, ...]:
    empty = ('""',) if field.type == "string" and field.required else ()
    return WRONG[field.type] + empty


def _lines(parts: Iterable[str]) -> str:
    text = "".join(f"\n    {part}," for part in parts)
    return f"{text}\n" if text else ""
