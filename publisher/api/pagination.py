"""Pages of a list: where the next one begins, as a word the caller hands back unread."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import TypeVar

from publisher.api.errors import HttpRefusal, invalid

T = TypeVar("T")

CURSOR_CHARACTERS_MAX = 200
PAGE_DEFAULT = 50
PAGE_MAX = 200


def cursor_of(listing: str, position: str | int) -> str:
    """Return the word for a place in a list; it is good for that list only."""
    return base64.urlsafe_b64encode(f"{listing}:{position}".encode()).decode().rstrip("=")


def position_of(listing: str, cursor: str | None) -> str | None:
    """Return the place a word stands for, None for the beginning.

    Raises:
        HttpRefusal: it is no word of this list.
    """
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except (binascii.Error, ValueError) as error:
        raise _strange(listing) from error
    found, colon, position = text.partition(":")
    if found != listing or not colon or not position:
        raise _strange(listing)
    return position


def number_of(listing: str, cursor: str | None) -> int | None:
    """Return the place as a number of at most 63 bits, None for the beginning.

    Raises:
        HttpRefusal: it is no word of this list.
    """
    position = position_of(listing, cursor)
    if position is None:
        return None
    if not position.isascii() or not position.isdigit() or int(position[:20]) >= 2**63:
        raise _strange(listing)
    return int(position)


def cut(
    rows: Sequence[T], limit: int, listing: str, position: Callable[[T], str | int]
) -> tuple[list[T], str | None]:
    """Return a page of rows that were read one too many, with the word for what follows it."""
    page = list(rows[:limit])
    return page, cursor_of(listing, position(page[-1])) if len(rows) > limit else None


def _strange(listing: str) -> HttpRefusal:
    return invalid("cursor", f"the cursor is none of {listing}: hand back `next` as it was given")
