"""The calendar a worker goes by: the packaged rows, an operator's file over them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from shared.errors import SettingsError
from shared.market.calendar import Calendar, packaged_calendar


class MarketSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section `market`: what is known of the exchanges beside what comes with the program."""

    calendar_file: Annotated[
        str,
        Meta(description="TOML file whose rows win over the packaged calendar's; empty: none"),
    ] = ""


def calendar_of(settings: MarketSettings) -> Calendar:
    """Return the calendar in force; read once, so a changed file counts from the next start.

    Raises:
        SettingsError: the file cannot be read, or a row of it is malformed.
    """
    if not settings.calendar_file:
        return packaged_calendar()
    try:
        rows = Path(settings.calendar_file).read_bytes()
    except OSError as error:
        raise SettingsError(
            f"market.calendar_file {settings.calendar_file}: {error.strerror}"
        ) from error
    return Calendar.load(rows)
