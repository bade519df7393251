"""Commands given over HTTP: onto the account's stream; what became of them to who waits."""

from __future__ import annotations

import asyncio
import random
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from typing import Annotated, Any, Final

from msgspec import Meta, Struct

from publisher.access.auth import EVERY_ACCOUNT
from publisher.api.archive import Archive
from publisher.api.command_bodies import read_command
from publisher.api.errors import HttpRefusal, invalid, not_configured
from publisher.api.outcomes import Outcomes, Watch
from publisher.api.route import Account, Answer, Call, one_of, parameters
from publisher.api.shapes import One, Receipt, Until
from shared.clock import Clock
from shared.errors import StoreError, StreamError
from shared.streams.client import Connection, call
from shared.wire import codec, topics
from shared.wire.fingerprint import fingerprint
from shared.wire.orders import Command, OrderEvent, State

#: Without a `received` event the same command is written again, which is harmless, after so long.
RESEND_AFTER_S: Final = 2.0
#: Commands whose content is remembered to tell a repetition from another command of the same id.
REMEMBERED_MAX: Final = 20_000
#: A command is not held up for longer by a journal that does not answer.
LOOK_S_MAX: Final = 1.0

_TAKEN: Final = frozenset({State.ACCEPTED, State.PARTIALLY_ACCEPTED, State.OPEN, State.COMPLETE})
_FAILED: Final = frozenset({State.REFUSED, State.REJECTED, State.EXPIRED})
_ENDED: Final = frozenset({*_FAILED, State.COMPLETE, State.CANCELLED, State.CONFLICT, State.MANUAL})


class GiveQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """For whom; how long to wait for what became of it."""

    account: Account | None = None
    wait: Annotated[float, Meta(ge=0, le=120)] = 0.0
    until: Until = "accepted"


class CancelQuery(GiveQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The same for a cancel, which has no body."""

    variety: Annotated[str, Meta(pattern=r"\A(regular|amo|co|iceberg|auction)\Z")] = "regular"


@dataclass(frozen=True, slots=True, kw_only=True)
class Trading:
    """What commands are given with; `redis` is None where this publisher may not write them."""

    redis: Connection | None
    accounts: tuple[str, ...]
    outcomes: Outcomes
    archive: Archive
    clock: Clock
    chance: random.Random
    wait_s_max: float
    waiting_max: int


class Commands:
    """Hands commands on; whether they are carried out is the executor's to decide."""

    def __init__(self, trading: Trading) -> None:
        self._trading = trading
        self._remembered: OrderedDict[tuple[str, str], bytes] = OrderedDict()

    async def give(self, call_: Call) -> Answer:
        """Take a command as the stream takes it."""
        return await self._hand_on(call_, parameters(call_, GiveQuery), {})

    async def place(self, call_: Call) -> Answer:
        """Take a placement."""
        return await self._hand_on(call_, parameters(call_, GiveQuery), {"kind": "place"})

    async def modify(self, call_: Call) -> Answer:
        """Take a change of the order that a command placed."""
        said = {"kind": "modify", "target_command_id": call_.path["command_id"]}
        return await self._hand_on(call_, parameters(call_, GiveQuery), said)

    async def modify_at_broker(self, call_: Call) -> Answer:
        """Take a change of an order of the broker."""
        said = {"kind": "modify", "order_id": call_.path["order_id"]}
        return await self._hand_on(call_, parameters(call_, GiveQuery), said)

    async def cancel(self, call_: Call) -> Answer:
        """Take a cancel of the order that a command placed."""
        return await self._cancel(call_, {"target_command_id": call_.path["command_id"]})

    async def cancel_at_broker(self, call_: Call) -> Answer:
        """Take a cancel of an order of the broker."""
        return await self._cancel(call_, {"order_id": call_.path["order_id"]})

    async def _cancel(self, call_: Call, target: dict[str, Any]) -> Answer:
        query = parameters(call_, CancelQuery)
        said = {"kind": "cancel", "variety": query.variety, **target}
        # Cancelling twice is harmless, so an id of our own will do.
        return await self._hand_on(call_, query, said, made_id=self._new_id())

    async def _hand_on(
        self, call_: Call, query: GiveQuery, said: dict[str, Any], *, made_id: str | None = None
    ) -> Answer:
        account = self._account(call_, query)
        key = call_.headers.get("Idempotency-Key")
        command = read_command(call_.body, said, idempotency_key=key, made_id=made_id)
        _check_reach(call_, command)
        await self._check_new(account, command)
        if not query.wait:
            await self._write(account, command)
            return _receipt(account, command, None, is_settled=False)
        if query.wait > self._trading.wait_s_max:
            raise invalid("query.wait", f"wait is at most {self._trading.wait_s_max:g} seconds")
        if self._trading.outcomes.waiting >= self._trading.waiting_max:
            raise HttpRefusal(
                503, "too_many_waiting", "too many requests wait: give the command without ?wait="
            )
        return await self._give_and_wait(account, command, query)

    def _account(self, call_: Call, query: GiveQuery) -> str:
        if self._trading.redis is None:
            raise not_configured("giving commands over HTTP", "TICKFLOW_HTTP__TRADING_URL")
        permitted = [each for each in self._trading.accounts if call_.principal.may_trade(each)]
        if not permitted:
            raise HttpRefusal(403, "forbidden", "the key has no scope trade:<account>")
        return one_of(permitted, query.account, "trade")

    async def _check_new(self, account: str, command: Command) -> None:
        """Refuse another command of an id that is known here; the executor knows all of them."""
        given = fingerprint(command)
        known = self._remembered.get((account, command.command_id))
        if known is None and self._trading.archive.is_configured:
            known = await self._journalled(account, command.command_id)
        if known is not None and known != given:
            raise _conflict(command.command_id)
        self._remembered[account, command.command_id] = given
        if len(self._remembered) > REMEMBERED_MAX:
            self._remembered.popitem(last=False)

    async def _journalled(self, account: str, command_id: str) -> bytes | None:
        try:
            async with asyncio.timeout(LOOK_S_MAX):
                reads = await self._trading.archive.orders()
                row = await reads.command(account, command_id)
        except (StoreError, TimeoutError):
            return None  # the executor will find out, and say CONFLICT
        return row.fingerprint if row else None

    async def _give_and_wait(self, account: str, command: Command, query: GiveQuery) -> Answer:
        newest: OrderEvent | None = None
        with self._trading.outcomes.watch(account, command.command_id) as watch:
            await self._write(account, command)
            deadline_s = self._trading.clock.monotonic_s() + query.wait
            while (left_s := deadline_s - self._trading.clock.monotonic_s()) > 0:
                patience_s = left_s if newest else min(left_s, RESEND_AFTER_S)
                event = await _next(watch, patience_s)
                if event is not None:
                    newest = event
                    if is_settled(event, query.until):
                        return _receipt(account, command, event, is_settled=True)
                elif newest is None and left_s > RESEND_AFTER_S:
                    await self._write(account, command)
        return _receipt(account, command, newest, is_settled=False)

    async def _write(self, account: str, command: Command) -> None:
        assert self._trading.redis is not None, "_account has looked"
        stream = topics.COMMANDS.name(account)
        words: list[bytes] = [word for pair in codec.encode(command).items() for word in pair]
        try:
            # A stream made by us would wait for an executor that may never come.
            answer = await call(
                self._trading.redis, f"XADD to {stream}", "XADD", stream, "NOMKSTREAM", "*", *words
            )
        except StreamError as error:
            raise HttpRefusal(
                503,
                "outcome_unknown",
                f"whether command {command.command_id} was handed on is not known: send the same "
                "again with the same id, it is carried out once",
                headers={"Retry-After": "1"},
            ) from error
        if answer is None:
            raise HttpRefusal(503, "no_executor", f"account {account} has no executor yet")

    def _new_id(self) -> str:
        return f"http-{uuid.UUID(int=self._trading.chance.getrandbits(128), version=4)}"


def _check_reach(call_: Call, command: Command) -> None:
    """Refuse what reaches beyond the account to a key that may trade some accounts only."""
    scope = getattr(command, "scope", "account")
    if scope != "account" and not call_.principal.may_trade(EVERY_ACCOUNT):
        raise HttpRefusal(
            403, "forbidden", f"scope {scope} is for keys with trade:*", field="scope"
        )


def is_settled(event: OrderEvent, until: Until) -> bool:
    """Tell whether a wait ends with this event."""
    if event.state in _ENDED or until == "received":
        return True
    if until == "accepted":
        return event.state in _TAKEN
    # A modify is done when the broker took it; an order when nothing of it is open any more.
    return event.kind == "modify" and event.state in _TAKEN


async def _next(watch: Watch, patience_s: float) -> OrderEvent | None:
    try:
        async with asyncio.timeout(patience_s):
            return await watch.get()
    except TimeoutError:
        return None


def _receipt(
    account: str, command: Command, event: OrderEvent | None, *, is_settled: bool
) -> Answer:
    place = f"/v1/commands/{command.command_id}?account={account}"
    headers = {"Location": place}
    if event is not None and event.state is State.CONFLICT:
        raise _conflict(command.command_id, headers)
    if event is not None and event.state in _FAILED:
        raise _failed(event, headers)
    state = str(event.state) if event else "SENT"
    receipt = Receipt(account=account, command_id=command.command_id, state=state, event=event)
    return Answer(status=200 if is_settled else 202, body=One(data=receipt), headers=headers)


def _conflict(command_id: str, headers: dict[str, str] | None = None) -> HttpRefusal:
    return HttpRefusal(
        409,
        "conflict",
        f"command_id {command_id} belongs to another command; nothing was changed",
        field="command_id",
        headers=headers,
    )


def _failed(event: OrderEvent, headers: dict[str, str]) -> HttpRefusal:
    reason = event.reason
    sentence = reason.sentence if reason else event.broker_message
    return HttpRefusal(
        422,
        reason.code if reason else event.state.lower(),
        f"{event.state}: {sentence}" if sentence else str(event.state),
        field=reason.field if reason else "",
        headers=headers,
    )
