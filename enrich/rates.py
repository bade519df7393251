"""Rates and dividend yields as data: a file of dated rows, each with its source and its id."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from enrich.parameters import RATE_MAX, RATE_MIN, Parameters, Terms
from enrich.settings import EnrichOptions
from shared.errors import SettingsError

#: Two hundred underlyings with a row a month make 2,400 a year.
ROWS_MAX: Final = 10_000
#: Stands for every underlying without a row of its own.
EVERY: Final = "*"
_EPOCH: Final = date(1970, 1, 1).toordinal()
_FIELD: Final = re.compile(r"`\$\.(\w+)`|field `(\w+)`")

Fraction = Annotated[float, Meta(ge=RATE_MIN, le=RATE_MAX)]


class RateRow(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"since": "from"}
):
    """What holds for an underlying from a day in India on, until its next row."""

    id: Annotated[int, Meta(ge=1, le=4_294_967_295)]
    since: date
    rate: Fraction
    dividend_yield: Fraction
    source: Annotated[str, Meta(min_length=1, max_length=200)]
    underlying: Annotated[str, Meta(min_length=1, max_length=32)] = EVERY

    @property
    def day(self) -> int:
        """Return the day it holds from, in days since 1970."""
        return self.since.toordinal() - _EPOCH


class Dated(Parameters, frozen=True, kw_only=True):
    """Parameters whose rates and dividend yields are rows of a file, ascending by day."""

    rows: tuple[RateRow, ...] = ()

    @property
    def changes(self) -> tuple[int, ...]:
        """Return the days, since 1970 in India, from which something else holds, ascending."""
        return tuple(sorted({row.day for row in self.rows}))

    def terms(self, underlying: str, day: int) -> Terms:
        """Return what holds: the underlying's newest row, else every one's, else the settings."""
        for name in (underlying, EVERY):
            held = [row for row in self.rows if row.underlying == name and row.day <= day]
            if held:
                newest = held[-1]
                return Terms(newest.rate, newest.dividend_yield, newest.id)
        return super().terms(underlying, day)


def with_rates(options: EnrichOptions) -> EnrichOptions:
    """Return the options with the rows of their file of rates, if they name one.

    Raises:
        SettingsError: it cannot be read, or a row of it is none; in one sentence.
    """
    pricing = options.pricing
    if not pricing.rates_file:
        return options
    try:
        body = Path(pricing.rates_file).read_bytes()
    except OSError as error:
        raise SettingsError(f"rates_file {pricing.rates_file}: {error.strerror}") from error
    rows = parse(body, pricing.rates_file, taken=pricing.id)
    known = {name: getattr(pricing, name) for name in Parameters.__struct_fields__}
    return msgspec.structs.replace(options, pricing=Dated(**known, rows=rows))


def parse(body: bytes, name: str, *, taken: int) -> tuple[RateRow, ...]:
    """Return the rows of a TOML sheet, ascending by day; `taken` is the id of the settings' own.

    Raises:
        SettingsError: it is no sheet of rates; names the row, the field, the value, the rule.
    """
    try:
        sheet = tomllib.loads(body.decode())
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{name} is no TOML: {error}") from error
    found = sheet.pop("rates", None)
    if sheet or not isinstance(found, list) or not 1 <= len(found) <= ROWS_MAX:
        raise SettingsError(f"{name} must hold 1 to {ROWS_MAX} tables [[rates]] and nothing else")
    rows = [_row(row, f"{name}: row {number}") for number, row in enumerate(found, start=1)]
    seen: dict[object, int] = {taken: 0}
    for number, row in enumerate(rows, start=1):
        for key, what in (
            (row.id, f"id {row.id}"),
            ((row.underlying, row.since), f"{row.underlying} from {row.since}"),
        ):
            if (before := seen.setdefault(key, number)) != number:
                where = f"row {before}" if before else "pricing.id of the settings"
                raise SettingsError(f"{name}: row {number}: {what} must be unique: so is {where}")
    return tuple(sorted(rows, key=lambda row: row.since))


def _row(found: Any, where: str) -> RateRow:
    try:
        return msgspec.convert(found, RateRow)
    except msgspec.ValidationError as error:
        matched = _FIELD.search(str(error))
        field = next(filter(None, matched.groups()), "") if matched else ""
        value = f"; {field} is {found[field]!r}" if field and field in found else ""
        raise SettingsError(f"{where}: {error}{value}") from error
