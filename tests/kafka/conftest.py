"""A Kafka of one node, a Redis for what is small, all of them empty for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from shared.clock import SystemClock
from shared.streams.client import connect
from tests.support.kafka_cluster import Cluster, cluster, missing
from tests.support.kafka_market import KafkaMarket
from tests.support.restartable_redis import RestartableRedis, restartable_redis


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip with the reason that tests/skips.toml knows, where no Kafka can run."""
    if reason := missing():
        for item in items:
            if "tests/kafka/" in item.nodeid:
                item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
async def broker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    """Run one node that knows nothing: topics, groups outlive no test."""
    with cluster(tmp_path_factory.mktemp("kafka") / "one") as made:
        await made.start()
        yield made


@pytest.fixture
async def server(server_directory, tmp_path_factory) -> AsyncIterator[RestartableRedis]:
    directory = server_directory / tmp_path_factory.mktemp("k").name
    directory.mkdir()
    with restartable_redis(directory) as found:
        await found.start()
        yield found


@asynccontextmanager
async def market_on(kafka: Cluster, server: RestartableRedis) -> AsyncIterator[KafkaMarket]:
    async with connect(server.url, name="market", settings=server.settings) as redis:
        made = KafkaMarket(redis, kafka, SystemClock())
        await made.publish()
        yield made
        await made.close()


@pytest.fixture
async def market(broker: Cluster, server: RestartableRedis) -> AsyncIterator[KafkaMarket]:
    async with market_on(broker, server) as made:
        yield made
