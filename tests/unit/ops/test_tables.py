"""Ages, sizes, tables."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from shared.ops.tables import age, size, table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "-"),
        (0.04, "0.0 s"),
        (9.94, "9.9 s"),
        (90.0, "90 s"),
        (600.0, "10 min"),
        (7_200.0, "2 h"),
        (172_800.0, "2 d"),
    ],
)
def test_age_in_the_unit_people_say(seconds: float | None, text: str) -> None:
    assert age(seconds) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (1536, "1.5 KiB"), (3 * 2**20, "3.0 MiB"), (2**41, "2048.0 GiB")],
)
def test_size_in_binary_units(count: int, text: str) -> None:
    assert size(count) == text


def test_table_shows_brackets_as_they_are() -> None:
    out = io.StringIO()
    Console(file=out, width=80).print(table(("a", "n>"), [["[red]x[/]", "1"]]))
    assert "[red]x[/]" in out.getvalue()


def test_a_long_last_word_gives_way_to_names_and_states() -> None:
    out = io.StringIO()
    reason = "the access token is missing: " * 5
    Console(file=out, width=60).print(table(("account", "use", "why"), [["AB1234", "off", reason]]))
    shown = out.getvalue()
    assert "AB1234" in shown
    assert "…" not in shown
    assert shown.count("missing") == reason.count("missing")
