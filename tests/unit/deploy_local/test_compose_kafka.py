"""The Kafka to try: its file agrees with itself, our settings, the version that is tested."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from enrich.settings import EnrichSettings
from ingest.settings import IngestSettings
from publisher.settings import PublisherSettings
from shared.runtime.settings import load
from shared.streams.kafka_settings import check
from tests.support.compose import KAFKA_PREFIX, broker_properties, read

ROOT = Path(__file__).resolve().parents[3]
FILE = ROOT / "deploy" / "compose.kafka.yaml"
#: What a worker needs besides.
NEEDED = {
    "TICKFLOW_REDIS__TICKS_URL": "redis://h/0",
    "TICKFLOW_REDIS__ORDERS_URL": "redis://h/1",
    "TICKFLOW_ACCOUNT__ID": "AB1234",
    "TICKFLOW_ACCOUNT__API_KEY": "k",
    "TICKFLOW_ACCOUNT__ACCESS_TOKEN": "t",
    "TICKFLOW_POSTGRES__URL": "postgresql://h/d",
}


def kafka() -> dict:
    return read(FILE)["services"]["kafka"]


def told() -> dict[str, str]:
    """Return the variables that the file's head tells a worker to have."""
    line = next(line for line in FILE.read_text().splitlines() if "TICKS_BACKEND" in line)
    return dict(word.split("=", 1) for word in line.split() if "=" in word)


def test_file_has_services_whose_keys_compose_knows_and_volumes_that_are_declared() -> None:
    found = read(FILE)
    assert set(found) == {"services", "volumes"}
    known = {"image", "ports", "environment", "volumes", "stop_grace_period"}
    assert set(kafka()) <= known
    named = {each.split(":")[0] for each in kafka()["volumes"]}
    assert named == set(found["volumes"])
    assert re.fullmatch(r"\d+s", kafka()["stop_grace_period"])


def test_image_is_pinned_to_the_version_that_the_tests_run() -> None:
    pom = ET.parse(ROOT / "tests" / "kafka" / "pom.xml")
    space = {"m": "http://maven.apache.org/POM/4.0.0"}
    versions = {
        each.find("m:groupId", space).text: each.find("m:version", space).text
        for each in pom.iterfind(".//m:dependency", space)
    }
    assert kafka()["image"] == f"apache/kafka:{versions['org.apache.kafka']}"


def test_ports_of_listeners_publication_and_workers_agree_and_stay_on_this_machine() -> None:
    properties = broker_properties(kafka()["environment"])
    listeners = dict(each.split("://", 1) for each in properties["listeners"].split(","))
    advertised = dict(each.split("://") for each in properties["advertised.listeners"].split(","))
    (published,) = kafka()["ports"]
    host, outside, inside = published.split(":")
    assert host == "127.0.0.1"
    assert advertised == {"PLAINTEXT": f"127.0.0.1:{outside}"}
    assert listeners["PLAINTEXT"] == f":{inside}"
    assert told()["TICKFLOW_KAFKA__SERVERS"] == advertised["PLAINTEXT"]
    _, _, controller = properties["controller.quorum.voters"].rpartition(":")
    assert listeners[properties["controller.listener.names"]] == f":{controller}"
    protocols = dict(
        each.split(":") for each in properties["listener.security.protocol.map"].split(",")
    )
    assert set(protocols) == set(listeners)


def test_data_lies_on_the_volume() -> None:
    (mounted,) = kafka()["volumes"]
    assert kafka()["environment"]["KAFKA_LOG_DIRS"] == mounted.split(":")[1]


def test_one_node_asks_for_one_copy_of_everything() -> None:
    properties = broker_properties(kafka()["environment"])
    factors = {name: value for name, value in properties.items() if name.endswith(".factor")}
    assert set(factors.values()) == {"1"}
    assert len(factors) == 2
    assert told()["TICKFLOW_KAFKA__REPLICATION"] == "1"
    assert all(name.startswith(KAFKA_PREFIX) for name in kafka()["environment"])


@pytest.mark.parametrize("room", [IngestSettings, EnrichSettings, PublisherSettings])
def test_every_variable_it_tells_of_is_one_that_each_worker_knows(room) -> None:
    """An unknown one under our prefix is refused."""
    settings = load(room, {**_needed(room), **told()}, name="w")
    assert check(settings.ticks, settings.kafka)
    assert settings.kafka.servers == "127.0.0.1:9092"


def _needed(room) -> dict[str, str]:
    sections = {name.upper() for name in room.__struct_fields__}
    return {
        name: value
        for name, value in NEEDED.items()
        if name.removeprefix("TICKFLOW_").split("__")[0] in sections
    }
