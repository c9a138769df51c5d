"""What the scaffold tells people, in README.md and HANDOFF.md, and its record for the next release."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from executor.agent.scaffold_plan import PlannedField, PlannedResource
from executor.agent.template import markdown_text
from executor.domain.droplet import DropletIdentity
from executor.domain.spec import FieldType

RECORD = "docs/scaffold.json"
BEGIN = "<!-- scaffold: begin -->"
END = "<!-- scaffold: end -->"
LABEL = re.compile(r'(droplet\.capabilities=")[^"]*(")')

README_INTRO = (
    "**No model was used to write {title} {version}.** Fixed rules turned the resources of the SPEC into "
    "endpoints that create, list, read, replace, change and delete them, with storage and tests."
)
HANDOFF_INTRO = (
    "The code under `app/resources/` and its tests were written by fixed rules, **without a model**. "
    "Everything the SPEC asks beyond storing and serving its resources is still to be written: by hand, or "
    "by a build with a model:"
)


def record_text(resources: Sequence[PlannedResource]) -> str:
    """Write what was built, so that a later release knows it."""
    entries = {
        resource.module: {
            "path": resource.path,
            "description": resource.description,
            "fields": [
                {
                    "name": field.name,
                    "type": field.type,
                    "required": field.required,
                    "description": field.description,
                }
                for field in resource.fields
            ],
        }
        for resource in sorted(resources, key=lambda one: one.module)
    }
    return json.dumps({"resources": entries}, indent=2) + "\n"


def read_record(text: str) -> dict[str, PlannedResource]:
    """Read an earlier release's record, by module; entries that are not in its form are left out."""
    try:
        entries = json.loads(text)["resources"]
        items = list(entries.items())
    except (ValueError, KeyError, TypeError, AttributeError):
        return {}
    found = (_recorded(module, entry) for module, entry in items)
    return {resource.module: resource for resource in found if resource is not None}


def _recorded(module: str, entry: Any) -> PlannedResource | None:
    try:
        fields = tuple(
            PlannedField(
                str(field["name"]),
                str(field["name"]),
                field["type"],
                field["required"] is True,
                str(field["description"]),
            )
            for field in entry["fields"]
            if field["type"] in get_args(FieldType)
        )
        path, description = str(entry["path"]), str(entry["description"])
    except (KeyError, TypeError):
        return None
    parts = [part for part in module.split("_") if part]
    model = "".join(part.capitalize() for part in parts)
    return PlannedResource(module, model, path, " ".join(parts), description, fields)


def readme_section(
    identity: DropletIdentity, resources: Sequence[PlannedResource], left_out: Sequence[str]
) -> str:
    """Describe every resource, then what rules could not do."""
    intro = README_INTRO.format(title=identity.title, version=identity.version)
    blocks = ["## Resources", intro]
    for resource in resources:
        blocks += [f"### /{resource.path}", markdown_text(resource.description), _table(resource)]
    if resources:
        blocks.append(
            "Bodies are `data` plus `meta`. Lists take `limit` (1 to 200, 50 if left out) and `offset`. PUT "
            "replaces the whole, PATCH changes the fields it names. Every one also has `id`, `created_at` "
            "and `updated_at`, which the service sets."
        )
    blocks += ["### What is left out", _bullets(left_out)]
    return "\n\n".join(block for block in blocks if block)


def handoff_section(left_out: Sequence[str]) -> str:
    """Tell the next person what is still to be written."""
    return "\n\n".join(["## Written by rules", HANDOFF_INTRO, _bullets(left_out)])


def with_section(text: str, section: str) -> str:
    """Put the scaffold's section at the end of a document, in place of the one that is there."""
    before, begin, rest = text.partition(BEGIN)
    after = rest.partition(END)[2].strip("\n") if begin else ""
    parts = [before.rstrip("\n"), f"{BEGIN}\n\n{section}\n\n{END}", after]
    return "\n\n".join(part for part in parts if part) + "\n"


def with_label(dockerfile: str, features: Mapping[str, object]) -> str:
    """Name the resources in the image's capabilities label."""
    listed = ",".join(sorted({"udc", "metrics", *features}))
    return LABEL.sub(lambda match: f"{match.group(1)}{listed}{match.group(2)}", dockerfile)


def _table(resource: PlannedResource) -> str:
    rows = [f"| {item.split(' ')[0]} | `{item.split(' ')[1]}` |" for item in resource.endpoints]
    fields = [
        f"| {one.name} | {one.type} | {'yes' if one.required else 'no'} | {markdown_text(one.description)} |"
        for one in resource.fields
    ]
    text = "\n".join(["| Method | Path |", "|---|---|", *rows])
    if not fields:
        return text
    return text + "\n\n" + "\n".join(["| Field | Type | Required | Meaning |", "|---|---|---|---|", *fields])


def _bullets(sentences: Sequence[str]) -> str:
    return "\n".join(f"- {sentence}" for sentence in sentences)
