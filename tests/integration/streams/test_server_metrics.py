from __future__ import annotations

import math

import pytest
from prometheus_client import REGISTRY

from shared.secret import Secret
from shared.streams.client import connect
from shared.streams.server_metrics import observe

pytestmark = pytest.mark.integration


def told(name: str) -> float | None:
    return REGISTRY.get_sample_value(f"tickflow_redis_{name}", {"server": "orders"})


async def test_server_tells_its_memory_against_its_limit_and_whether_it_appends(redis):
    used = (await redis.info("memory"))["used_memory"]
    await redis.config_set("maxmemory", used * 4)
    await observe(redis, "orders")
    assert told("memory_used_ratio") == pytest.approx(0.25, rel=0.2)
    assert told("append_only_info") == 0.0


async def test_server_that_appends_says_so(redis):
    await redis.config_set("appendonly", "yes")
    await observe(redis, "orders")
    await redis.config_set("appendonly", "no")
    assert told("append_only_info") == 1.0


async def test_server_without_a_limit_is_measured_by_the_machine(redis):
    await redis.config_set("maxmemory", 0)
    await observe(redis, "orders")
    assert 0 < told("memory_used_ratio") < 0.5


async def test_server_that_is_away_is_not_told_of(plain_redis, tmp_path):
    nowhere = Secret(f"unix://{tmp_path}/none.sock?db=0")
    async with connect(nowhere, name="test", settings=plain_redis.settings()) as redis:
        await observe(redis, "orders")
    assert math.isnan(told("memory_used_ratio"))
    assert math.isnan(told("append_only_info"))
