"""`tickflow calendar`."""

from __future__ import annotations

import json
from pathlib import Path

CLOCK_DATE = "2025-11-24"


def test_calendar_shows_every_segment_today(run) -> None:
    result = run("calendar", "--segment", "NFO", "--json")
    (fact,) = json.loads(result.stdout)
    assert (result.exit_code, fact["date"], fact["status"]) == (0, CLOCK_DATE, "trading")
    assert fact["sessions"][0]["phase"] == "open"
    assert (fact["sessions"][0]["begins"], fact["sessions"][0]["ends"]) == ("09:15", "15:30")


def test_calendar_names_source_and_confidence(run) -> None:
    result = run("calendar", "--segment", "nse", "--date", "2026-08-04")
    assert result.exit_code == 0
    assert "closing_auction" in result.stdout
    assert "CMTR74466" in result.stdout
    assert "high" in result.stdout


def test_calendar_of_a_holiday_names_it(run) -> None:
    result = run("calendar", "--date", "2026-12-25")
    assert result.exit_code == 0
    assert result.stdout.count("Christmas") == 8


def test_calendar_of_an_unknown_day_says_so_and_is_degraded(run) -> None:
    result = run("calendar", "--segment", "NFO", "--date", "2027-03-01")
    assert result.exit_code == 3
    assert "unknown" in result.stdout
    assert "not in the calendar" in result.stdout


def test_calendar_of_a_strange_segment_is_not_found(run) -> None:
    result = run("calendar", "--segment", "NYSE")
    assert result.exit_code == 4
    assert "no segment is called NYSE" in result.stderr


def test_calendar_with_a_file_shows_its_rows(run, tmp_path: Path) -> None:
    rows = tmp_path / "calendar.toml"
    rows.write_text(
        '[sources.desk]\ntitle = "desk"\nread_on = 2026-11-06\nconfidence = "low"\n'
        '[[days]]\non = 2027-03-01\nsegments = ["NFO"]\nname = "Strike"\nkind = "closed"\n'
        'source = "desk"\n'
    )
    result = run(
        "calendar", "--segment", "NFO", "--date", "2027-03-01", "--file", str(rows), "--json"
    )
    (fact,) = json.loads(result.stdout)
    assert (fact["status"], fact["day"], fact["confidence"]) == ("closed", "Strike", "low")


def test_calendar_with_a_malformed_file_is_a_usage_error(run, tmp_path: Path) -> None:
    rows = tmp_path / "calendar.toml"
    rows.write_text("days = 3")
    result = run("calendar", "--file", str(rows))
    assert result.exit_code == 2
    assert "calendar overrides" in result.stderr
