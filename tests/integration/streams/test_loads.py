"""Workers of a room hear what the others carry, with the rights of their own role."""

from __future__ import annotations

import pytest

from shared.streams import loads
from shared.streams.client import connect
from shared.streams.loads import Load
from shared.streams.settings import RedisSettings

pytestmark = pytest.mark.integration


@pytest.fixture
async def as_enrich(ticks_redis):
    url = ticks_redis.url_for("enrich")
    settings = RedisSettings(ticks_url=url, orders_url=url)
    async with connect(url, name="test", settings=settings) as client:
        yield client


async def test_each_hears_the_others_and_not_itself(as_enrich) -> None:
    one, two = Load("one", 1_500.5, has_room=True), Load("two", 0.0, has_room=False)
    assert await loads.tell(as_enrich, "enrich", one, 60) == []
    assert await loads.tell(as_enrich, "enrich", two, 60) == [one]
    assert await loads.tell(as_enrich, "enrich", one, 60) == [two]


async def test_who_left_or_fell_silent_is_heard_no_more(as_enrich) -> None:
    one, two = Load("one", 1.0, has_room=True), Load("two", 2.0, has_room=True)
    await loads.tell(as_enrich, "enrich", one, 60)
    await loads.leave(as_enrich, "enrich", "one")
    assert await loads.tell(as_enrich, "enrich", two, 0.0) == []
    assert await loads.tell(as_enrich, "enrich", one, 60) == []
