"""What a model that knows its trade answers when it is asked for a SPEC."""

from __future__ import annotations

from typing import Any

PURPOSE = (
    "Tills of a shop price their orders here, so that every till charges the same. It keeps orders and their"
    " totals; it takes no payment and knows no customer."
)
CAPABILITIES = (
    "- Price an order from its lines, in integer cents, with the discount that its size earns\n"
    "- Keep every order with its lines and its total, and answer it by its id at any later time\n"
    "- Refuse an order that has no lines, or a line with a quantity outside of 1 to 999"
)
DEPENDENCIES = (
    "### Required\n\n- **SQLite** keeps the orders\n\n"
    "### Optional\n\n- **Registry** makes the droplet known; without it the droplet serves too"
)
ENDPOINTS = """### 1. POST /orders

Prices and keeps an order: 201. 400 for no lines or a quantity outside of 1 to 999.

```json
{"lines": [{"name": "pen", "unit_cents": 150, "quantity": 2}]}
```

### 2. GET /orders/{order_id}

Answers one order: 200. 404 when there is none."""
REQUIREMENTS = (
    "- **R1** An order of 2 pens at 150 cents has total_cents 300.\n"
    "- **R2** An order without lines is answered with 400."
)
SECTIONS = {
    "Purpose": PURPOSE,
    "Capabilities": CAPABILITIES,
    "Dependencies": DEPENDENCIES,
    "Business Logic Endpoints": ENDPOINTS,
    "Requirements": REQUIREMENTS,
    "Example Usage": "```bash\ncurl -X POST http://localhost:8013/orders -d '{\"lines\": []}'\n```",
    "Optimization Opportunities": "- Discounts that a manager changes while the service runs",
}


def sections(**changes: str | None) -> str:
    """The author's Markdown with some sections replaced or, given None, left out (spaces written as _)."""
    chosen = SECTIONS | {title.replace("_", " "): text for title, text in changes.items()}
    return "\n\n".join(f"## {title}\n\n{text}" for title, text in chosen.items() if text is not None)


def question(**changes: Any) -> dict[str, Any]:
    """A question about the currency."""
    asked = {
        "id": "currency",
        "question": "Which currency are prices in?",
        "options": ["euro", "dollar"],
        "default": "euro",
        "why": "Amounts are rounded to its smallest coin.",
    }
    return asked | changes


def spec_reply(
    *,
    questions: tuple[dict[str, Any], ...] = (),
    assumptions: tuple[str, ...] = ("Prices are before tax.",),
    removed: tuple[str, ...] = (),
    **changes: str | None,
) -> dict[str, Any]:
    """A whole answer; `changes` are those of `sections`."""
    return {
        "questions": list(questions),
        "assumptions": list(assumptions),
        "removed": list(removed),
        "spec": sections(**changes),
    }
