"""What may come in as a query, and what is said where it may not."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec

from shared.errors import MessageError
from shared.kite.limits import CANDLE_DAYS_MAX
from shared.wire import queries as wire
from shared.wire.codec import decode

INDIA_FORM: Final = "%Y-%m-%d %H:%M:%S"
_PATH: Final = re.compile(r" - at `\$((?:\.\w+|\[\d*\]|\[\.\.\.\])+)`\Z")
_VALUE_CHARACTERS_MAX: Final = 60


class Address(msgspec.Struct):
    """Whom to tell that a query is malformed; the rest of it may be anything."""

    query_id: wire.QueryId
    client: wire.Client
    kind: str = ""


def query_of(fields: Mapping[bytes, bytes]) -> wire.Query:
    """Return the query of an entry.

    Raises:
        MessageError: it is none; names field, value and rule.
    """
    try:
        query: wire.Query = decode(fields, wire.Query)
    except MessageError as error:
        raise MessageError(f"{error}{_value_at(str(error), fields)}") from error
    if isinstance(query, wire.CandlesOf):
        check_candles(query)
    return query


def address_of(fields: Mapping[bytes, bytes]) -> Address | None:
    """Return who asked, where at least that can be read."""
    try:
        address: Address = decode(fields, Address)
    except MessageError:
        return None
    return address


def check_candles(query: wire.CandlesOf) -> None:
    """Refuse a span that Kite would refuse.

    Raises:
        MessageError: names field, value and rule.
    """
    begin, end = _moment("begin", query.begin), _moment("end", query.end)
    if end < begin:
        raise MessageError(f"end must not be before begin, {query.begin}: it is {query.end}")
    days_max = CANDLE_DAYS_MAX[query.interval]
    if end - begin > timedelta(days=days_max):
        raise MessageError(
            f"end must be at most {days_max} days after begin, {query.begin}, for interval "
            f"{query.interval}: it is {query.end}"
        )
    if query.continuous and query.interval != "day":
        raise MessageError(f"continuous must be false for interval {query.interval}: it is true")


def _moment(name: str, text: str) -> datetime:
    try:
        return datetime.strptime(text, INDIA_FORM)
    except ValueError:
        raise MessageError(f"{name} must be a date and a time of day: it is {text}") from None


def _value_at(sentence: str, fields: Mapping[bytes, bytes]) -> str:
    """Return the value a sentence of msgspec's complains of, "" where that cannot be told."""
    found = _PATH.search(sentence)
    if found is None:
        return ""
    try:
        value: Any = decode(fields, Any)
        for name, index in re.findall(r"\.(\w+)|\[(\d+)\]", found[1]):
            value = value[name] if name else value[int(index)]
    except (MessageError, LookupError, TypeError):
        return ""
    return f": it is {str(value)[:_VALUE_CHARACTERS_MAX]!r}"
