"""docs/queries.md says what the tables of the code say."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import msgspec
import pytest

from executor.query_settings import QuerySettings
from executor.reads.kinds import KINDS
from shared.kite.limits import HISTORICAL, QUOTE, rate_class
from shared.ops.root import cli
from shared.wire import queries as wire

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "queries.md").read_text()
GIVEN = {"query_id", "client", "deadline_us"}


def told() -> dict[str, tuple[set[str], str, str]]:
    """Return what the page says of each kind: fields, freshness, rate."""
    found = {}
    table = PAGE.split("## Kinds")[1]
    for kinds, fields, fresh, rate in re.findall(
        r"^\| (`.*?`) \| (.*?) ?\| (\S+) s \| (\w+) \|$", table, re.MULTILINE
    ):
        named = set(re.findall(r"`([a-z_]+)`", fields)) - {"equity", "commodity"}
        for kind in re.findall(r"`(\w+)`", kinds):
            found[kind] = (named, fresh, rate)
    return found


class AnyQuery:
    """Stands for a query of any kind: only the path of its request matters."""

    def __getattr__(self, name: str) -> str:
        return "1"


@pytest.mark.parametrize("kind", wire.KINDS)
def test_page_tells_fields_freshness_and_rate_of_every_kind(kind: str) -> None:
    made = wire.KINDS[kind]
    rule = KINDS[made]
    request = rule.asking(AnyQuery())
    fields = {field.name for field in msgspec.structs.fields(made)} - GIVEN
    fresh = f"{rule.fresh_s:g}"
    assert told()[kind] == (fields, fresh, rate_class(request.method, request.path))


def test_page_tells_the_limits_in_force() -> None:
    settings = QuerySettings()
    assert (QUOTE.requests, HISTORICAL.requests, settings.other_per_second_max) == (1, 3, 7)
    assert "one quote a second, three requests for candles, seven others" in PAGE
    assert (settings.deadline_s, settings.deadline_s_max, settings.in_flight_max) == (10, 60, 32)


def test_commands_of_the_page_parse() -> None:
    lines = re.findall(r"^tickflow (.*)$", PAGE, re.MULTILINE)
    assert len(lines) == 5
    for line in lines:
        name, *words = shlex.split(line)
        command = cli.get_command(None, name)
        command.make_context(name, words, resilient_parsing=True)
