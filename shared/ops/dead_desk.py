"""Dead letters as the operator reads, replays, discards them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from shared.clock import Clock
from shared.errors import LocalError, MessageError, SettingsError
from shared.ops import dead_kafka
from shared.ops.database import database
from shared.ops.outcome import NotFound
from shared.ops.reach import Instance, instances, reach
from shared.ops.settings import OpsSettings
from shared.store.journal import Journal
from shared.streams import replies
from shared.streams.client import Connection, call, call_all
from shared.streams.dead_letters import DeadLetter, of_entry, to_fields
from shared.streams.ids import EntryId
from shared.wire import codec
from shared.wire.orders import Command
from shared.wire.topics import COMMANDS, DEAD_SUFFIX, dead

#: Letters shown of one stream.
LETTERS_MAX: Final = 1_000
_SCAN_KEYS: Final = 1_000
AUDIT_SUFFIX: Final = ".audit"


@dataclass(frozen=True, slots=True)
class Kept:
    """A letter with its number among the dead of its stream."""

    id: EntryId
    letter: DeadLetter

    def facts(self) -> dict[str, Any]:
        """Return what is known, the entry's own fields as text where they are text."""
        letter = self.letter
        fields = {
            name.decode(errors="replace"): value.decode(errors="backslashreplace")
            for name, value in letter.fields.items()
        }
        return {
            "stream": letter.stream,
            "letter_id": str(self.id),
            "entry_id": str(letter.id),
            "group": letter.group,
            "attempts": letter.attempts,
            "reason": letter.reason,
            "decoded": _sentence(letter),
            "fields": fields,
        }


async def find_all(settings: OpsSettings, stream: str | None) -> list[Kept]:
    """Return the dead letters of a stream, or of every one, oldest first.

    Raises:
        StreamError: Redis is away.
    """
    found: list[Kept] = []
    for instance in instances(settings):
        async with reach(settings, instance) as redis:
            names = [dead(stream)] if stream else await _dead_streams(redis)
            for name in names:
                found += await _read(redis, name, "-", "+")
    return found


async def find(settings: OpsSettings, stream: str, letter_id: str) -> Kept | None:
    """Return one dead letter, or None.

    Raises:
        StreamError: Redis is away, or the number is none.
    """
    async with reach(settings, _instance(settings, stream)) as redis:
        return await _one(redis, stream, letter_id)


async def play_back(
    settings: OpsSettings, clock: Clock, what: tuple[str, str], *, by: str, is_dry: bool
) -> str:
    """Write the letter's entry to its stream again; return its new number, empty when dry.

    Ticks that travel through Kafka go to their topic, everything else to Redis.

    Raises:
        NotFound: there is no such letter.
        SettingsError: an entry of orders, and nobody named; Kafka, and nobody said where.
        LocalError: the entry may not be played back; says why.
    """
    stream, letter_id = what
    _check_named(stream, by)
    async with reach(settings, _instance(settings, stream)) as redis:
        kept = await _one(redis, stream, letter_id)
        if kept is None:
            raise NotFound(f"{stream} has no dead letter {letter_id}")
        if _is_commands(stream):
            await _check_command(settings, clock, kept.letter)
        is_kafkas = dead_kafka.travels_there(settings, stream)
        if is_dry:
            return ""
        pipeline = redis.pipeline(transaction=True)
        if is_kafkas:
            # Written first: an entry that is there twice is harmless, one nowhere is lost.
            entry_id = await dead_kafka.write(settings, clock, kept.letter)
            _end(pipeline, kept, f"replayed by {by}")
            await call_all(pipeline, f"end of dead letter {letter_id} of {stream}")
            return entry_id
        words = [word for pair in kept.letter.fields.items() for word in pair]
        pipeline.execute_command("XADD", stream, "*", *words)
        _end(pipeline, kept, f"replayed by {by}")
        answers = await call_all(pipeline, f"replay of dead letter {letter_id} of {stream}")
    return str(answers[0].decode())


async def throw_away(
    settings: OpsSettings, stream: str, letter_ids: Sequence[str], *, by: str
) -> int:
    """Delete these letters; those of orders go into the audit. Return how many there were.

    Raises:
        SettingsError: letters of orders, and nobody named.
    """
    _check_named(stream, by)
    async with reach(settings, _instance(settings, stream)) as redis:
        found = [kept for each in letter_ids if (kept := await _one(redis, stream, each))]
        pipeline = redis.pipeline(transaction=True)
        for kept in found:
            _end(pipeline, kept, f"discarded by {by}")
        if found:
            await call_all(pipeline, f"deletion of {len(found)} dead letters of {stream}")
    return len(found)


def _end(pipeline: Any, kept: Kept, what: str) -> None:
    """Take a letter away; one of orders goes into the audit in the same step."""
    letter = kept.letter
    if _is_of_orders(letter.stream):
        told = letter._replace(reason=f"{what}: {letter.reason}")
        words = [word for pair in to_fields(told).items() for word in pair]
        pipeline.execute_command("XADD", dead(letter.stream) + AUDIT_SUFFIX, "*", *words)
    pipeline.execute_command("XDEL", dead(letter.stream), str(kept.id))


async def _check_command(settings: OpsSettings, clock: Clock, letter: DeadLetter) -> None:
    """Refuse what may have been sent, what is too late, what is still no command."""
    try:
        command: Command = codec.decode(letter.fields, Command)
    except MessageError as error:
        raise LocalError(f"it is still no command: {error}") from error
    until_us = command.valid_until_us
    if until_us is not None and clock.now_ns() // 1_000 >= until_us:
        raise LocalError(f"command {command.command_id}: its valid_until_us has passed")
    account = letter.stream.removeprefix(f"{COMMANDS.prefix}.")
    async with database(settings) as pool:
        row = await Journal(pool, account).command(command.command_id)
    if row is not None:
        raise LocalError(f"command {command.command_id} is in the journal already: {row.state}")


def _check_named(stream: str, by: str) -> None:
    if _is_of_orders(stream) and not by.strip():
        raise SettingsError("dead letters of orders need --by NAME, for the audit")


def _is_of_orders(stream: str) -> bool:
    return stream.startswith(("orders.", "queries."))


def _is_commands(stream: str) -> bool:
    return stream.startswith(f"{COMMANDS.prefix}.")


def _instance(settings: OpsSettings, stream: str) -> Instance:
    found = instances(settings)
    return "orders" if _is_of_orders(stream) and "orders" in found else found[0]


async def _dead_streams(redis: Connection) -> list[str]:
    names: set[str] = set()
    cursor = 0
    while True:
        cursor, keys = await call(
            redis, "SCAN of Redis", "SCAN", cursor, "MATCH", f"*{DEAD_SUFFIX}", "COUNT", _SCAN_KEYS
        )
        names.update(key.decode() for key in keys)
        if not int(cursor):
            return sorted(names)


async def _one(redis: Connection, stream: str, letter_id: str) -> Kept | None:
    found = await _read(redis, dead(stream), letter_id, letter_id)
    return found[0] if found else None


async def _read(redis: Connection, name: str, first: str, last: str) -> list[Kept]:
    words = ("XRANGE", name, first, last, "COUNT", LETTERS_MAX)
    entries = replies.of_range(name, await call(redis, f"XRANGE of {name}", *words))
    return [Kept(entry.id, of_entry(entry)) for entry in entries]


def _sentence(letter: DeadLetter) -> str:
    """Return what the entry says as a command, or why it is none."""
    if not _is_commands(letter.stream):
        return ""
    try:
        command: Command = codec.decode(letter.fields, Command)
    except MessageError as error:
        return f"not a command: {error}"
    return repr(command)
