"""The scaffold's code for one resource: models, SQL and router, formatted as ruff would format it.

Only planned names go in: they are short ASCII, so nothing needs escaping. Descriptions stay out of code.
"""

from __future__ import annotations

from collections.abc import Iterable

from executor.agent.scaffold_plan import PlannedField, PlannedResource
from executor.agent.scaffold_sources import MODELS, PACKAGE, ROUTER, STORE
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
