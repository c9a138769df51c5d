"""The bodies of the droplet's own endpoints: `data` plus `meta`."""

from typing import Generic, TypeVar

from pydantic import BaseModel

from app.clock import utc_text
from app.identity import API_VERSION
from app.models import Meta

T = TypeVar("T")


class PageMeta(Meta):
    """Where a page lies in the whole collection."""

    total: int
    limit: int
    offset: int


class Item(BaseModel, Generic[T]):
    """One thing."""

    data: T
    meta: Meta


class Page(BaseModel, Generic[T]):
    """A part of a collection."""

    data: list[T]
    meta: PageMeta


def item(data: T) -> Item[T]:
    """Put one thing into its envelope."""
    return Item(data=data, meta=Meta(timestamp=utc_text(), version=API_VERSION))


def page(data: list[T], total: int, limit: int, offset: int) -> Page[T]:
    """Put a part of a collection into its envelope.

    Args:
        data: The part.
        total: How many there are in all.
        limit: How many were asked for.
        offset: How many lie before the part.

    Returns:
        The body of a list's answer.
    """
    meta = PageMeta(
        timestamp=utc_text(), version=API_VERSION, total=total, limit=limit, offset=offset
    )
    return Page(data=data, meta=meta)
