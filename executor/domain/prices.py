"""What a reply costs in dollars, from a table: the price of a model that is not in it is not known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from executor.domain.conversation import Usage

CACHE_WRITE_FACTOR = 1.25
CACHE_READ_FACTOR = 0.1
_MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class PricePerMillion:
    """Dollars for a million tokens. Prompts past `long_prompt` tokens (0: none) cost the long prices."""

    input: float
    output: float
    long_prompt: int = 0
    long_input: float = 0.0
    long_output: float = 0.0


PriceList = Mapping[str, PricePerMillion]


def cost_of(usage: Usage, model: str, prices: PriceList) -> float | None:
    """Dollars for one reply, None for a model without a price."""
    price = prices.get(model)
    if price is None:
        return None
    is_long = bool(price.long_prompt) and usage.prompt_tokens > price.long_prompt
    each_in, each_out = (price.long_input, price.long_output) if is_long else (price.input, price.output)
    weighed = (
        usage.input_tokens
        + usage.cache_write_tokens * CACHE_WRITE_FACTOR
        + usage.cache_read_tokens * CACHE_READ_FACTOR
    )
    return (weighed * each_in + usage.output_tokens * each_out) / _MILLION
