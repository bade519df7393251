from __future__ import annotations

import pytest
from msgspec.structs import replace

from shared.errors import StoreError
from shared.store.trading import TradingSwitch, get_trading, set_trading
from tests.integration.store.conftest import ACCOUNT
from tests.integration.store.test_journal import new

pytestmark = pytest.mark.integration

HALT = TradingSwitch(
    scope="account", subject=ACCOUNT, state="HALTED", set_by="someone", changed_us=1
)


async def test_switch_is_kept_as_last_set(pool):
    assert await get_trading(pool) == []
    await set_trading(pool, HALT)
    active = replace(HALT, state="ACTIVE", sentence="over", changed_us=2)
    await set_trading(pool, active)
    assert await get_trading(pool) == [active]


async def test_switch_of_no_known_state_is_refused(pool):
    with pytest.raises(StoreError):
        await set_trading(pool, replace(HALT, state="PAUSED"))


async def test_command_sees_the_switches_of_its_account_its_strategy_and_all(pool, journal):
    for switch in (
        HALT,
        replace(HALT, subject="ZZ9999"),
        replace(HALT, scope="strategy", subject="mine", state="REDUCING"),
        replace(HALT, scope="strategy", subject="theirs"),
        replace(HALT, scope="global", subject="", state="ACTIVE"),
    ):
        await set_trading(pool, switch)
    async with journal.change(at_us=5) as change:
        (row,) = await change.claim([new(strategy_id="mine", exposure="BUY NSE:INFY")])
        seen = await change.switches(row)
    assert sorted(seen.trading) == [
        ("ACTIVE", "global"),
        ("HALTED", "account"),
        ("REDUCING", "strategy"),
    ]
    assert seen.in_doubt is None
