"""The rule-based provider: it always works, says what it left out, and never breaks an earlier release."""

from __future__ import annotations

import keyword
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.agent.scaffold import ScaffoldResult, scaffold
from executor.agent.scaffold_code import resource_files
from executor.agent.scaffold_docs import read_record
from executor.agent.scaffold_plan import RESERVED_PATHS, make_plan
from executor.agent.scaffold_tests import test_files as files_of_tests
from executor.agent.template import render_template
from executor.domain.droplet import DropletIdentity
from executor.domain.spec import FieldType, Resource, ResourceField
from executor.errors import Permanent

IDENTITY = DropletIdentity(id=13, name="stock-keeper", version="0.1.0", purpose="Keep stock", port=8413)
TYPES: tuple[FieldType, ...] = ("string", "text", "integer", "number", "boolean", "datetime")
ORDER = Resource(
    "order",
    "orders",
    "An order | of *things*",
    tuple(ResourceField(f"{kind}_a", kind, True, "what | it is") for kind in TYPES)
    + tuple(ResourceField(f"{kind}_b", kind, False) for kind in TYPES),
)
AWKWARD = Resource(
    "class",
    "health",
    "",
    tuple(
        ResourceField(name, kind)
        for name, kind in (
            ("class", "string"),
            ("order", "integer"),
            ("select", "text"),
            ("model_dump", "number"),
            ("schema", "boolean"),
            ("register", "datetime"),
            ("datetime", "datetime"),
            ("int", "integer"),
            ("_hidden", "string"),
            ("id", "integer"),
            ("password", "string"),
            ("rowid", "integer"),
        )
    ),
)
STATE = Resource("state", "state", "", ())


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    render_template(IDENTITY, created="2026-11-22", into=tmp_path)
    return tmp_path


def contents(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def checked(python: Path, workspace: Path, *tests: str) -> None:
    """Run the droplet's tests, and the linter that its standards name."""
    argv = [str(python), "-m", "pytest", "-p", "no:cacheprovider", *tests]
    env = {"PATH": "/usr/bin:/bin", "HOME": "/nonexistent", "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(argv, cwd=workspace, env=env, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-4000:] + run.stderr[-1000:]
    linted(workspace)


def linted(workspace: Path) -> None:
    ruff = Path(sys.executable).with_name("ruff")
    for command in (["check"], ["format", "--check"]):
        lint = subprocess.run(
            [ruff, *command, "--no-cache", "."], cwd=workspace, check=False, capture_output=True, text=True
        )
        assert lint.returncode == 0, lint.stdout


def test_every_field_type_and_every_awkward_name_is_served_and_tested(
    workspace: Path, droplet_python: Path
) -> None:
    result = scaffold((ORDER, AWKWARD, STATE), IDENTITY, workspace)
    assert set(result.files) <= set(contents(workspace))
    assert "POST /orders" in result.endpoints
    assert "DELETE /health-records/{item_id}" in result.endpoints
    assert len(result.endpoints) == 18
    tests = [name for name in result.files if name.startswith("tests/")]
    assert len(tests) == 3
    checked(droplet_python, workspace, *tests, "tests/test_health.py", "tests/test_api.py")


def test_the_whole_type_checks(workspace: Path, droplet_python: Path) -> None:
    scaffold((ORDER, AWKWARD), IDENTITY, workspace)
    argv = [sys.executable, "-m", "mypy", "--python-executable", str(droplet_python), "--cache-dir=/dev/null"]
    run = subprocess.run(argv, cwd=workspace, check=False, capture_output=True, text=True)
    assert run.returncode == 0, run.stdout[-3000:]


def test_running_twice_changes_nothing(workspace: Path) -> None:
    first = scaffold((ORDER, AWKWARD), IDENTITY, workspace)
    before = contents(workspace)
    assert scaffold((ORDER, AWKWARD), IDENTITY, workspace) == first
    assert contents(workspace) == before


def test_no_resources_leave_a_droplet_that_serves_its_contract(workspace: Path) -> None:
    before = contents(workspace)
    result = scaffold((), IDENTITY, workspace)
    assert result.endpoints == ()
    assert "nothing was built" in result.left_out[0]
    changed = {name for name, data in contents(workspace).items() if before.get(name) != data}
    assert changed == {"README.md", "HANDOFF.md", "docs/scaffold.json"}


def test_the_documents_say_that_no_model_was_used_and_what_is_missing(workspace: Path) -> None:
    result = scaffold((ORDER, AWKWARD), IDENTITY, workspace)
    readme = (workspace / "README.md").read_text()
    handoff = (workspace / "HANDOFF.md").read_text()
    assert "No model was used" in readme
    assert "without a model" in handoff
    assert len(result.left_out) >= 6
    for sentence in result.left_out:
        assert f"- {sentence}\n" in readme
        assert f"- {sentence}\n" in handoff
    assert r"An order \| of \*things\*" in readme
    assert (
        'droplet.capabilities="health-records,metrics,orders,udc"' in (workspace / "Dockerfile").read_text()
    )


def test_what_has_to_give_way_is_told(workspace: Path) -> None:
    twice = Resource("order", "purchases", "", ())
    odd = Resource("größe", "größen", "", (ResourceField("Preis in €", "number"),))
    result = scaffold((ORDER, AWKWARD, twice, odd), IDENTITY, workspace)
    told = "\n".join(result.left_out)
    assert "/health belongs to every droplet's contract, so `class` is at /health-records." in told
    assert "`class_.id`: the service sets it by itself" in told
    assert "`class_.password`: it is stored as it was given" in told
    assert "`order` at /purchases was not built" in told
    assert "`gro_e.preis_in`" in told or "`groe.preis_in`" in told


def test_a_later_release_keeps_the_earlier_resources_and_rows(
    workspace: Path, droplet_python: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    small = Resource("order", "orders", "", (ResourceField("title", "string"),))
    grown = Resource(
        "order",
        "orders",
        "",
        (
            ResourceField("title", "integer"),
            ResourceField("size", "integer"),
            ResourceField("due", "datetime", False),
        ),
    )
    customer = Resource("customer", "customers", "", (ResourceField("name", "string"),))
    data = tmp_path_factory.mktemp("data")
    scaffold((small, STATE), IDENTITY, workspace)
    assert visit(droplet_python, workspace, data, 'post("/orders", json={"title": "old"})') == 201
    result = scaffold((grown, customer), IDENTITY, workspace)
    assert any("it stays string" in sentence for sentence in result.left_out)
    assert visit(droplet_python, workspace, data, 'get("/orders/1")') == 200
    assert visit(droplet_python, workspace, data, 'post("/orders", json={"title": "new", "size": 3})') == 201
    assert visit(droplet_python, workspace, data, 'get("/state-records")') == 200
    with sqlite3.connect(data / "droplet.db") as connection:
        rows = connection.execute("SELECT title, size FROM 'order' ORDER BY id").fetchall()
    connection.close()
    assert rows == [("old", None), ("new", 3)]
    readme = (workspace / "README.md").read_text()
    assert all(heading in readme for heading in ("### /customers", "### /orders", "### /state-records"))
    checked(droplet_python, workspace, "tests/test_resource_customer.py", "tests/test_health.py")


def visit(python: Path, workspace: Path, data: Path, call: str) -> int:
    """Make one call to the droplet in a process of its own and return the status."""
    code = (
        "import sys; from fastapi.testclient import TestClient; from app.factory import create_app\n"
        f"with TestClient(create_app()) as client: sys.stdout.write(str(client.{call}.status_code))"
    )
    env = {"PATH": "/usr/bin:/bin", "DATA_DIR": str(data), "PYTHONDONTWRITEBYTECODE": "1"}
    run = subprocess.run(
        [str(python), "-c", code], cwd=workspace, env=env, check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return int(run.stdout)


def test_code_that_somebody_else_wrote_is_not_replaced(workspace: Path) -> None:
    own = workspace / "app/resources/order/__init__.py"
    own.parent.mkdir()
    own.write_text('"""Written by a model."""\n')
    result = scaffold((ORDER,), IDENTITY, workspace)
    assert own.read_text() == '"""Written by a model."""\n'
    assert result.endpoints == ()
    assert any("was not written by rules" in sentence for sentence in result.left_out)


def test_the_address_of_an_earlier_resource_is_not_taken(workspace: Path) -> None:
    scaffold((ORDER,), IDENTITY, workspace)
    result = scaffold((Resource("purchase", "orders", "", ()),), IDENTITY, workspace)
    assert result.endpoints == ()
    assert any("`order` is there already" in sentence for sentence in result.left_out)


def test_a_workspace_without_a_template_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Permanent):
        scaffold((ORDER,), IDENTITY, tmp_path)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"resources": 3}', '{"resources": {"a": {"fields": [1]}}}'])
def test_a_record_that_was_damaged_counts_as_none(text: str) -> None:
    assert read_record(text) == {}


NAMES = st.text(max_size=60) | st.sampled_from(
    ["order", "class", "state", "id", "sqlite_x", "3d", "None", "self"]
)
FIELDS = st.builds(ResourceField, NAMES, st.sampled_from(TYPES), st.booleans(), st.text(max_size=20))
RESOURCES = st.builds(Resource, NAMES, NAMES, st.text(max_size=40), st.lists(FIELDS, max_size=8).map(tuple))


@given(resources=st.lists(RESOURCES, max_size=5))
def test_any_names_give_code_that_compiles_and_addresses_of_their_own(resources: list[Resource]) -> None:
    plan = make_plan(resources, {}, frozenset())
    modules = [resource.module for resource in plan.resources]
    paths = [resource.path for resource in plan.resources]
    assert len(set(modules)) == len(modules)
    assert len(set(paths)) == len(paths)
    assert RESERVED_PATHS.isdisjoint(paths)
    for resource in plan.resources:
        assert resource.module.isidentifier()
        assert not keyword.iskeyword(resource.module)
        for name, text in (resource_files(resource) | files_of_tests(resource)).items():
            compile(text, name, "exec")


@pytest.mark.parametrize("length", [1, 39, 40, 41, 60])
def test_names_of_any_length_are_formatted_as_the_linter_wants(workspace: Path, length: int) -> None:
    name = "m" * length
    fields = tuple(
        ResourceField(start + "x" * length, kind) for start, kind in zip("abcdef", TYPES, strict=True)
    )
    scaffold(
        (Resource(name, name + "s", "", (*fields, ResourceField("model_" + name, "text"))),),
        IDENTITY,
        workspace,
    )
    linted(workspace)


def test_the_result_is_plain_data(workspace: Path) -> None:
    result = scaffold((STATE,), IDENTITY, workspace)
    assert isinstance(result, ScaffoldResult)
    assert list(result.files) == sorted(result.files)
