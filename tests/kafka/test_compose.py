"""The settings that deploy/compose.kafka.yaml gives a broker, given to a real one."""

from __future__ import annotations

from pathlib import Path

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

from shared.streams.kafka_client import options
from tests.kafka.test_streams import check_round_trip
from tests.support.compose import broker_properties, read
from tests.support.kafka_cluster import ROOT, Cluster, cluster

FILE = ROOT / "deploy" / "compose.kafka.yaml"
#: What only fits the container: its addresses, its folder, itself as the one voter.
OF_THE_CONTAINER = {"listeners", "advertised.listeners", "controller.quorum.voters", "log.dirs"}


def properties() -> dict[str, str]:
    environment = read(FILE)["services"]["kafka"]["environment"]
    return {
        name: value
        for name, value in broker_properties(environment).items()
        if name not in OF_THE_CONTAINER
    }


async def test_broker_knows_every_setting_of_the_compose_file_and_carries_ticks(
    tmp_path: Path,
) -> None:
    with cluster(tmp_path / "compose", properties=properties()) as made:
        await made.start()
        known = await broker_config(made)
        assert {name: known.get(name) for name in properties()} == properties()
        await check_round_trip(made)


async def broker_config(made: Cluster) -> dict[str, str]:
    """Return every setting that the broker says it has."""
    admin = AIOKafkaAdminClient(**options(made.settings(), "admin"))
    await admin.start()
    try:
        (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.BROKER, "1")])
    finally:
        await admin.close()
    return {entry[0]: entry[1] for entry in answer.resources[0][4]}
