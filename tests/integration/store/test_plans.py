"""Plans are made once, perhaps while the journal is empty: they have to hold when it is not."""

from __future__ import annotations

import re

import pytest

from shared.store import journal_quick, pending

pytestmark = pytest.mark.integration

#: A scan of the commands, with the condition that its index is asked with.
SCAN = re.compile(r"(\w+ )*Scan using (\w+) on order_commands.*\n +Index Cond: (.*)")


@pytest.mark.parametrize(
    "statement",
    [journal_quick._SEND_NEW, journal_quick._ACCEPT_SENT, pending._SAVE],
    ids=["send", "accept", "save"],
)
async def test_statement_planned_over_an_empty_journal_finds_its_commands_by_name(pool, statement):
    numbers = [int(each) for each in re.findall(r"\$(\d+)", statement)]
    nothing = ", ".join(["NULL"] * max(numbers))
    async with pool.transaction() as connection:
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        await connection.execute(f"PREPARE asked AS {statement}")
        rows = await connection.fetch(f"EXPLAIN EXECUTE asked({nothing})")
        await connection.execute("DEALLOCATE asked")
    plan = "\n".join(row["QUERY PLAN"] for row in rows)
    scans = SCAN.findall(plan)
    assert scans, plan
    assert "Seq Scan on order_commands" not in plan
    for _, index, condition in scans:
        assert index == "order_commands_in_doubt" or "command_id = ANY" in condition, plan
