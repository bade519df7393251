"""Which log is chosen, what has to be known of Kafka then."""

from __future__ import annotations

import pytest

from enrich.settings import EnrichSettings
from shared.errors import SettingsError
from shared.runtime.settings import load
from shared.secret import Secret
from shared.streams.kafka_client import options
from shared.streams.kafka_settings import KafkaSettings, TicksSettings, check

KAFKA = TicksSettings(backend="kafka")


def test_redis_asks_nothing_of_kafka() -> None:
    assert not check(TicksSettings(), KafkaSettings())


def test_kafka_without_servers_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"kafka\.servers is empty"):
        check(KAFKA, KafkaSettings())


def test_sasl_without_a_password_is_refused() -> None:
    half = KafkaSettings(servers="k:1", security="sasl_ssl", username="enrich")
    with pytest.raises(SettingsError, match=r"needs kafka\.username and \.password"):
        check(KAFKA, half)


def test_one_plain_name_chooses() -> None:
    environ = {
        "REDIS_URL": "redis://localhost",
        "TICKS_BACKEND": "kafka",
        "TICKFLOW_KAFKA__SERVERS": "k:1",
    }
    settings = load(EnrichSettings, environ, name="enrich")
    assert check(settings.ticks, settings.kafka)


def test_a_login_is_told_to_the_client_and_does_not_print() -> None:
    settings = KafkaSettings(
        servers="k:1", security="sasl_plaintext", username="u", password=Secret("hush")
    )
    told = options(settings, "t")
    assert told["security_protocol"] == "SASL_PLAINTEXT"
    assert told["sasl_plain_password"] == "hush"
    assert "hush" not in repr(settings)
