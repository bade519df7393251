"""Which of the two logs an enrichment worker is built for: one setting."""

from __future__ import annotations

import msgspec

from enrich.rates import with_rates
from enrich.settings import EnrichSettings
from shared.runtime.resources import Resources, Worker
from shared.streams.kafka_settings import check


async def build(settings: EnrichSettings, resources: Resources) -> Worker:
    """Wire the worker for Redis or for Kafka.

    Raises:
        SettingsError: Kafka is chosen, but nobody said where it is; a row of rates is none.
    """
    settings = msgspec.structs.replace(settings, enrich=with_rates(settings.enrich))
    if check(settings.ticks, settings.kafka):
        from enrich.scaleout import app  # Faust is loaded where it is used

        return await app.build(settings, resources)
    from enrich import worker

    return await worker.build(settings, resources)
