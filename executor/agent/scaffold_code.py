"""The scaffold's code for one resource: models, SQL and router, formatted as ruff would format it.

Only planned names go in: they are short ASCII, so nothing needs escaping. Descriptions stay out of code.
"""

from __future__ import annotations

from collections.abc import Iterable
from string import Template

from executor.agent.scaffold_plan import PlannedField, PlannedResource
from executor.domain.spec import FieldType

SQL_TYPES: dict[FieldType, str] = {
    "string": "TEXT",
    "text": "TEXT",
    "integer": "INTEGER",
    "number": "REAL",
    "boolean": "INTEGER",
    "datetime": "TEXT",
}
INPUT_TYPES: dict[FieldType, str] = {
    "string": "ShortText",
    "text": "LongText",
    "integer": "Integer",
    "number": "Number",
    "boolean": "Boolean",
    "datetime": "UtcTime",
}
OUTPUT_TYPES: dict[FieldType, str] = {**INPUT_TYPES, "boolean": "StoredBoolean"}

PACKAGE = Template('''"""The endpoints under /$path."""

from app.resources.$module.router import router

__all__ = ["router"]
''')

MODELS = Template('''"""The bodies of /$path."""

$imports

class ${model}Create(Strict):
    """What a caller sends to create or replace one."""
$create_fields

class ${model}Update(Partial):
    """What a caller sends to change one; fields left out stay as they are."""
$never_null$update_fields

class ${model}Out(BaseModel):
    """One as it is stored; null stands for a field that was never given."""

    id: int
    created_at: str
    updated_at: str
$out_fields''')

STORE = Template('''"""The table of /$path."""

from typing import Final

from app.storage import TableSchema
from app.table import Statements

CREATE: Final = """
    CREATE TABLE IF NOT EXISTS "$module" (
        "id" INTEGER PRIMARY KEY AUTOINCREMENT,
        "created_at" TEXT NOT NULL,
        "updated_at" TEXT NOT NULL$definitions
    )
"""
ADD_COLUMN: Final[dict[str, str]] = {$additions}
INSERT: Final = """
    INSERT INTO "$module" (
        "created_at",
        "updated_at"$names
    )
    VALUES ($marks)
    RETURNING *
"""
UPDATE: Final = """
    UPDATE "$module"
    SET
        "updated_at" = ?$assignments
    WHERE "id" = ?
    RETURNING *
"""
ONE: Final = """
    SELECT * FROM "$module" WHERE "id" = ?
"""
PART: Final = """
    SELECT * FROM "$module" ORDER BY "id" LIMIT ? OFFSET ?
"""
COUNT: Final = """
    SELECT COUNT(*) AS "total" FROM "$module"
"""
DELETE: Final = """
    DELETE FROM "$module" WHERE "id" = ? RETURNING "id"
"""

STATEMENTS: Final = Statements(
    schema=TableSchema("$module", CREATE, ADD_COLUMN),
    columns=($columns),
    insert=INSERT,
    update=UPDATE,
    one=ONE,
    part=PART,
    count=COUNT,
    delete=DELETE,
)
''')

ROUTER = Template('''"""The operations under /$path."""

from typing import Annotated, Final

from fastapi import APIRouter, Depends, HTTPException, Path, Query, Response

from app.envelope import Item, Page, item, page
from app.fields import MAX_INTEGER
from app.resources.$module.models import (
    ${model}Create,
    ${model}Out,
    ${model}Update,
)
from app.resources.$module.store import STATEMENTS
from app.runtime import RuntimeDep
from app.storage import Row
from app.table import Table

MISSING: Final = "There is no $words with this id."
router = APIRouter(
    prefix="/$path",
    tags=["$path"],
)


async def get_table(runtime: RuntimeDep) -> Table:
    """Return the table that the handlers work on."""
    return Table(runtime.database, STATEMENTS)


TableDep = Annotated[Table, Depends(get_table)]
NumberPath = Annotated[int, Path(ge=1, le=MAX_INTEGER)]
LimitQuery = Annotated[int, Query(ge=1, le=200)]
OffsetQuery = Annotated[int, Query(ge=0, le=MAX_INTEGER)]


def _found(row: Row | None) -> Item[${model}Out]:
    if row is None:
        raise HTTPException(404, MISSING)
    return item(${model}Out.model_validate(row))


@router.post("", status_code=201, summary="Create $words")
async def create(
    body: ${model}Create,
    table: TableDep,
    response: Response,
) -> Item[${model}Out]:
    """Store one; the Location header tells where it is."""
    row = await table.add(body.model_dump(mode="json", by_alias=True))
    response.headers["Location"] = "/".join((router.prefix, str(row["id"])))
    return _found(row)


@router.get("", summary="List $words")
async def read_page(
    table: TableDep,
    limit: LimitQuery = 50,
    offset: OffsetQuery = 0,
) -> Page[${model}Out]:
    """Return a part of them, in the order they were created."""
    rows, total = await table.part(limit, offset)
    found = [${model}Out.model_validate(row) for row in rows]
    return page(found, total, limit, offset)


@router.get("/{item_id}", summary="Read $words")
async def read(
    item_id: NumberPath,
    table: TableDep,
) -> Item[${model}Out]:
    """Return one."""
    return _found(await table.get(item_id))


@router.put("/{item_id}", summary="Replace $words")
async def replace(
    item_id: NumberPath,
    body: ${model}Create,
    table: TableDep,
) -> Item[${model}Out]:
    """Replace one; fields left out become null."""
    return _found(await table.change(item_id, body.model_dump(mode="json", by_alias=True)))


@router.patch("/{item_id}", summary="Change $words")
async def change(
    item_id: NumberPath,
    body: ${model}Update,
    table: TableDep,
) -> Item[${model}Out]:
    """Change the fields that the body names."""
    values = body.model_dump(mode="json", by_alias=True, exclude_unset=True)
    return _found(await table.change(item_id, values))


@router.delete(
    "/{item_id}",
    status_code=204,
    summary="Delete $words",
)
async def delete(
    item_id: NumberPath,
    table: TableDep,
) -> None:
    """Delete one."""
    if not await table.remove(item_id):
        raise HTTPException(404, MISSING)
''')


def resource_files(resource: PlannedResource) -> dict[str, str]:
    """Return the package of one resource: file names relative to the droplet, and their text."""
    folder = f"app/resources/{resource.module}"
    names = {
        "path": resource.path,
        "module": resource.module,
        "model": resource.model,
        "words": resource.words,
    }
    return {
        f"{folder}/__init__.py": PACKAGE.substitute(names),
        f"{folder}/models.py": MODELS.substitute(names, **_model_parts(resource)),
        f"{folder}/store.py": STORE.substitute(names, **_store_parts(resource)),
        f"{folder}/router.py": ROUTER.substitute(names),
    }


def _model_parts(resource: PlannedResource) -> dict[str, str]:
    fields = resource.fields
    never_null = [f'"{field.attribute}",' for field in fields if field.required]
    return {
        "imports": _model_imports(fields),
        "create_fields": _block(_declared(field, _accepted(field), field.required) for field in fields),
        "never_null": _never_null(never_null),
        "update_fields": _block(_declared(field, _accepted(field), False) for field in fields),
        "out_fields": "".join(_declared(field, OUTPUT_TYPES[field.type], False) for field in fields),
    }


def _accepted(field: PlannedField) -> str:
    return "FilledText" if field.type == "string" and field.required else INPUT_TYPES[field.type]


def _declared(field: PlannedField, kind: str, required: bool) -> str:
    annotation = kind if required else f"{kind} | None"
    if field.attribute == field.name:
        return f"    {field.name}: {annotation}{'' if required else ' = None'}\n"
    default = "" if required else "        default=None,\n"
    return f'    {field.attribute}: {annotation} = Field(\n{default}        alias="{field.name}",\n    )\n'


def _block(lines: Iterable[str]) -> str:
    text = "".join(lines)
    return f"\n{text}" if text else ""


def _never_null(entries: list[str]) -> str:
    if not entries:
        return ""
    body = "\n            ".join(entries)
    return (
        "\n    _never_null: ClassVar[frozenset[str]] = frozenset(\n        {\n            "
        f"{body}\n        }}\n    )\n"
    )


def _model_imports(fields: tuple[PlannedField, ...]) -> str:
    kinds = {_accepted(field) for field in fields} | {OUTPUT_TYPES[field.type] for field in fields}
    aliased = any(field.attribute != field.name for field in fields)
    lines = ["from typing import ClassVar", ""] if any(field.required for field in fields) else []
    lines.append(f"from pydantic import BaseModel{', Field' if aliased else ''}")
    names = "".join(f"    {name},\n" for name in sorted(kinds | {"Partial", "Strict"}))
    lines += ["", f"from app.fields import (\n{names})", ""]
    return "\n".join(lines)


def _store_parts(resource: PlannedResource) -> dict[str, str]:
    fields = resource.fields
    return {
        "definitions": _joined(f'"{field.name}" {SQL_TYPES[field.type]}' for field in fields),
        "additions": _additions(resource),
        "names": _joined(f'"{field.name}"' for field in fields),
        "marks": ", ".join("?" for _ in range(len(fields) + 2)),
        "assignments": _joined(f'"{field.name}" = ?' for field in fields),
        "columns": _tuple_body([f'"{field.name}"' for field in fields]),
    }


def _joined(parts: Iterable[str]) -> str:
    return "".join(f",\n        {part}" for part in parts)


def _tuple_body(parts: list[str]) -> str:
    if len(parts) == 1:
        # The one comma that the formatter does not break a line at.
        return f"{parts[0]},"
    text = "".join(f"\n        {part}," for part in parts)
    return f"{text}\n    " if text else ""


def _additions(resource: PlannedResource) -> str:
    text = "".join(
        f'\n    "{field.name}": """\n        ALTER TABLE "{resource.module}"\n'
        f'        ADD COLUMN "{field.name}" {SQL_TYPES[field.type]}\n    """,'
        for field in resource.fields
    )
    return f"{text}\n" if text else ""
