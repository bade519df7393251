"""Enrichment processes on Kafka."""

from __future__ import annotations

from tests.support.kafka_cluster import Cluster
from tests.support.restartable_redis import RestartableRedis
from tests.support.workers import enrich_environment


def kafka_environment(
    server: RestartableRedis, kafka: Cluster, **options: object
) -> dict[str, str]:
    """Return the settings of an enrichment worker; late after a long time: nothing is left out."""
    return {
        **enrich_environment(server, **{"late_after_s": 600, "commit_every_s": 0.5, **options}),
        "TICKS_BACKEND": "kafka",
        "TICKFLOW_KAFKA__SERVERS": kafka.servers,
        "TICKFLOW_KAFKA__REPLICATION": str(len(kafka.brokers)),
        "TICKFLOW_KAFKA__REQUEST_TIMEOUT_S": "5",
        "TICKFLOW_KAFKA__SESSION_TIMEOUT_S": "4",
    }
