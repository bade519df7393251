"""What one tape holds, as facts, as a row."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

from msgspec import Struct
from rich.table import Table

from shared.errors import LocalError, MessageError
from shared.ops.tables import age, size, table
from shared.wire.tape import BlockHead, BlockKind
from shared.wire.tape_reader import Tape

IST = timezone(timedelta(hours=5, minutes=30))
_NS = 10**9


class TapeFacts(Struct, frozen=True, kw_only=True):
    """One tape; times as ISO 8601 in UTC, empty where it holds no ticks."""

    file: str
    shard: int
    account: str
    instruments_version: int
    created: str
    first: str
    last: str
    first_ns: int
    last_ns: int
    span_s: float
    blocks: int
    segments: int
    packets: int
    missed_entries: int
    raw_bytes: int
    bytes: int
    #: Where it stops being readable, with the reason; empty if nowhere.
    damage: str


def facts_of(path: Path, *, is_thorough: bool) -> TapeFacts:
    """Return the facts of a tape, by its index unless thorough or without one.

    Raises:
        LocalError: the file cannot be read.
        MessageError: it is no tape.
    """
    try:
        with path.open("rb") as file:
            tape = Tape(file)
            if is_thorough:
                heads = [head for head, _ in tape.blocks() if head.kind == BlockKind.SEGMENTS]
            else:
                heads = tape.heads()
            return _facts(path, tape, heads)
    except OSError as error:
        raise LocalError(f"tape {path} cannot be read: {error.strerror}") from error
    except MessageError as error:
        raise MessageError(f"{path}: {error}") from error


def table_of(facts: Sequence[TapeFacts]) -> Table:
    """Return a row per tape; times of day in India."""
    rows = [
        [
            *(each.file, str(each.shard), each.account or "-", str(each.instruments_version)),
            *(_in_india(each.first_ns), age(each.span_s), f"{each.packets:,}"),
            *(f"{each.missed_entries:,}", size(each.raw_bytes), size(each.bytes)),
            "damaged" if each.damage else "sound",
        ]
        for each in facts
    ]
    headings = ("tape", "shard>", "account", "instruments", "from (IST)", "length>", "packets>")
    return table((*headings, "missed>", "raw>", "size>", "state"), rows)


def _facts(path: Path, tape: Tape, heads: Sequence[BlockHead]) -> TapeFacts:
    first_ns = min((head.first_ns for head in heads), default=0)
    last_ns = max((head.last_ns for head in heads), default=0)
    return TapeFacts(
        file=str(path),
        shard=tape.header.shard,
        account=tape.header.account,
        instruments_version=tape.header.instruments_version,
        created=_iso(tape.header.created_ns),
        first=_iso(first_ns),
        last=_iso(last_ns),
        first_ns=first_ns,
        last_ns=last_ns,
        span_s=(last_ns - first_ns) / _NS,
        blocks=len(heads),
        segments=sum(head.segments for head in heads),
        packets=sum(head.packets for head in heads),
        missed_entries=sum(head.missed_entries for head in heads),
        raw_bytes=sum(head.raw_bytes for head in heads),
        bytes=tape.size_bytes,
        damage=str(tape.damage or ""),
    )


def _iso(at_ns: int) -> str:
    if not at_ns:
        return ""
    moment = datetime.fromtimestamp(at_ns // _NS, UTC).replace(microsecond=at_ns % _NS // 1000)
    return moment.isoformat()


def _in_india(at_ns: int) -> str:
    return f"{datetime.fromtimestamp(at_ns // _NS, IST):%Y-%m-%d %H:%M:%S}" if at_ns else "-"
