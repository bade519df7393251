"""Where ticks travel, and how to reach Kafka where they travel there."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from shared.errors import SettingsError
from shared.secret import Secret


class TicksSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which log carries raw and enriched ticks; the same in every worker."""

    backend: Annotated[
        Literal["redis", "kafka"],
        Meta(description="where raw and enriched ticks travel; TICKS_BACKEND is understood too"),
    ] = "redis"


class KafkaSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach Kafka, how its topics are made."""

    servers: Annotated[
        str,
        Meta(description="bootstrap servers: host:port, several by commas; needed by the backend"),
    ] = ""
    security: Annotated[
        Literal["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"],
        Meta(description="how connections are protected"),
    ] = "plaintext"
    sasl_mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"],
        Meta(description="how the user proves who it is, with sasl_plaintext and sasl_ssl"),
    ] = "SCRAM-SHA-512"
    username: Annotated[str, Meta(description="user at Kafka, with SASL")] = ""
    password: Annotated[Secret, Meta(description="its password, with SASL")] = Secret("")
    ca_file: Annotated[
        str, Meta(description="certificates to trust, PEM; empty: those of the system")
    ] = ""
    replication: Annotated[
        int,
        Meta(ge=1, le=9, description="copies of each partition where the topics are made here"),
    ] = 3
    retention_s: Annotated[
        int,
        Meta(ge=60, le=31_536_000, description="how long topics made here keep ticks, in seconds"),
    ] = 3600
    retention_mb: Annotated[
        int,
        Meta(ge=64, le=16_777_216, description="how much one partition keeps at most, in MiB"),
    ] = 16_384
    compression: Annotated[
        Literal["none", "zstd", "lz4", "snappy", "gzip"],
        Meta(
            description="of what is written; all but none and gzip need the package cramjam, and "
            "docs/scale-out.md tells the measured cost"
        ),
    ] = "none"
    request_timeout_s: Annotated[
        float,
        Meta(ge=1, le=120, description="longest wait for one answer of Kafka, in seconds"),
    ] = 10.0
    session_timeout_s: Annotated[
        float,
        Meta(ge=1, le=300, description="partitions of a silent enrichment worker move after this"),
    ] = 10.0


def check(ticks: TicksSettings, kafka: KafkaSettings) -> bool:
    """Say whether ticks travel through Kafka.

    Raises:
        SettingsError: they do, but nobody said where it is, or half of a login is missing.
    """
    if ticks.backend != "kafka":
        return False
    if not kafka.servers.strip():
        raise SettingsError("kafka.servers is empty, though ticks.backend is kafka")
    if kafka.security.startswith("sasl") and not (kafka.username and kafka.password.reveal()):
        raise SettingsError(f"kafka.security {kafka.security} needs kafka.username and .password")
    if kafka.compression not in {"none", "gzip"} and find_spec("cramjam") is None:
        raise SettingsError(f"kafka.compression {kafka.compression} needs the package cramjam")
    return True
