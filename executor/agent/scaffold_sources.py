"""The text of a scaffolded resource's files; `$` marks what scaffold_code fills in."""

from __future__ import annotations

from string import Template

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
