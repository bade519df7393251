"""`tickflow calendar`: when a segment trades, who says so."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from shared.ops.session import Session, output_options, pass_session

if TYPE_CHECKING:
    from datetime import date

    from shared.market.calendar import Calendar, Day


@click.command()
@click.option("--segment", multiple=True, help="Only this one: NSE, NFO, MCX ... May be repeated.")
@click.option(
    "--date",
    "on",
    type=click.DateTime(["%Y-%m-%d"]),
    help="YYYY-MM-DD in India, instead of today.",
)
@click.option(
    "--file",
    "overrides",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="TOML file of rows that win over those of the program, instead of market.calendar_file.",
)
@output_options
@pass_session
def command(
    session: Session, segment: tuple[str, ...], on: datetime | None, overrides: Path | None
) -> None:
    """Show the sessions of a day, times in India, each with its source and its confidence.

    A day nobody has read about is shown as unknown, exit code 3: workers take it for an ordinary
    one and warn.
    """
    from shared.market.calendar import date_of
    from shared.ops.outcome import ExitCode, NotFound
    from shared.runtime.market_calendar import MarketSettings, calendar_of

    chosen = MarketSettings(calendar_file=str(overrides)) if overrides else session.settings.market
    calendar = calendar_of(chosen)
    wanted = [each.upper() for each in segment] or calendar.segments()
    strange = [each for each in wanted if each not in calendar.segments()]
    if strange:
        known = ", ".join(calendar.segments())
        raise NotFound(f"no segment is called {', '.join(strange)}; there are {known}")
    facts = _facts(calendar, wanted, on.date() if on else date_of(session.clock.now_ns()))
    if session.printer.as_json:
        session.printer.value(facts)
    else:
        session.printer.show(_table(facts))
    if any(fact["status"] == "unknown" for fact in facts):
        raise click.exceptions.Exit(ExitCode.DEGRADED)


def _facts(calendar: Calendar, segments: list[str], on: date) -> list[dict[str, Any]]:
    from shared.market.calendar import CalendarUnknown

    facts: list[dict[str, Any]] = []
    for segment in segments:
        about: dict[str, Any] = {"segment": segment, "date": on.isoformat()}
        try:
            facts.append(about | _known(calendar.day(segment, on)))
        except CalendarUnknown as unknown:
            facts.append(about | {"status": "unknown", "day": str(unknown), "sessions": []})
    return facts


def _known(day: Day) -> dict[str, Any]:
    return {
        "status": "trading" if day.is_trading else "closed",
        "day": day.name,
        **_said(day),
        "sessions": [
            {
                "phase": session.phase.value,
                "begins": _clock(session.begins_ns),
                "ends": _clock(session.ends_ns),
                **_said(session),
            }
            for session in day.sessions
        ],
    }


def _said(what: Any) -> dict[str, str]:
    origin = what.origin
    return {
        "confidence": origin.confidence,
        "read_on": origin.read_on.isoformat(),
        "source": origin.source,
    }


def _clock(at_ns: int) -> str:
    from shared.market.calendar_rows import IST

    return f"{datetime.fromtimestamp(at_ns // 1_000_000_000, IST):%H:%M}"


def _table(facts: list[dict[str, Any]]) -> Any:
    from shared.ops.tables import table

    rows = []
    for fact in facts:
        about = [fact["segment"], fact["date"], fact["day"] or "-"]
        lines = [
            [each["phase"], each["begins"], each["ends"], *_words(each)]
            for each in fact["sessions"]
        ] or [[fact["status"], "-", "-", *_words(fact)]]
        rows += [[*(about if not at else [""] * 3), *line] for at, line in enumerate(lines)]
    headings = ("segment", "date", "day", "phase", "from", "to", "confidence", "read on", "source")
    return table(headings, rows)


def _words(said: dict[str, Any]) -> list[str]:
    return [said.get(key, "-") for key in ("confidence", "read_on", "source")]
