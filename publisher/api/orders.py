"""Commands, orders, events as the journal has them."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from publisher.api.archive import Archive
from publisher.api.errors import HttpRefusal, not_found
from publisher.api.pagination import PAGE_DEFAULT, PAGE_MAX, cut, number_of, position_of
from publisher.api.route import (
    Account,
    AccountPageQuery,
    AccountQuery,
    Answer,
    Call,
    Cursor,
    Limit,
    one_of,
    parameters,
)
from publisher.api.shapes import BrokerOrderView, CommandView, Many, One, OrderStory, OrderView
from shared.errors import MessageError
from shared.store.order_reads import CommandFilter
from shared.store.rows import CommandRow, OrderRow, StoredEvent
from shared.wire.orders import OrderEvent, State


class CommandsQuery(AccountPageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which commands."""

    kind: Annotated[str, Meta(max_length=32)] | None = None
    state: State | None = None
    strategy_id: Annotated[str, Meta(max_length=32)] | None = None
    open: Literal["true", "false"] | None = None


class BrokerOrdersQuery(AccountPageQuery, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which of the broker's orders."""

    open: Literal["true", "false"] = "false"


class EventsQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events; `after` is a sequence, `cursor` goes on where a page ended."""

    account: Account | None = None
    after: Annotated[int, Meta(ge=-1, le=2**53)] | None = None
    limit: Limit = PAGE_DEFAULT
    cursor: Cursor | None = None


class Orders:
    """Reads of the journal for whoever may read the account's orders."""

    def __init__(self, archive: Archive, accounts: tuple[str, ...]) -> None:
        self._archive = archive
        self._accounts = accounts

    async def commands(self, call: Call) -> Answer:
        """List commands, newest first."""
        query = parameters(call, CommandsQuery)
        is_open = None if query.open is None else query.open == "true"
        wanted = CommandFilter(
            kind=query.kind, state=query.state, strategy_id=query.strategy_id, is_open=is_open
        )
        return await self._commands(call, "commands", query, wanted)

    async def command(self, call: Call) -> Answer:
        """Return one command."""
        account = self._account(call, parameters(call, AccountQuery).account)
        return Answer(body=One(data=_command(account, await self._row(account, call))))

    async def command_events(self, call: Call) -> Answer:
        """List the steps of one command, oldest first."""
        query = parameters(call, EventsQuery)
        account = self._account(call, query.account)
        await self._row(account, call)
        return await self._events(account, query, call.path["command_id"])

    async def events(self, call: Call) -> Answer:
        """List an account's events, oldest first."""
        query = parameters(call, EventsQuery)
        return await self._events(self._account(call, query.account), query, None)

    async def orders(self, call: Call) -> Answer:
        """List placements with their orders, newest first."""
        query = parameters(call, AccountPageQuery)
        account = self._account(call, query.account)
        reads = await self._archive.orders()
        rows = await reads.commands(
            account,
            CommandFilter(kind="place"),
            before_serial=number_of("orders", query.cursor),
            limit=query.limit + 1,
        )
        page, following = cut(rows, query.limit, "orders", lambda row: row.serial)
        found = await reads.orders_of(account, page)
        views = [
            OrderView(
                placed=_command(account, row),
                orders=[_order(account, order) for order in found[row.command_id]],
            )
            for row in page
        ]
        return Answer(body=Many(data=views, next=following))

    async def order(self, call: Call) -> Answer:
        """Return one placement with its orders and every step."""
        account = self._account(call, parameters(call, AccountQuery).account)
        row = await self._row(account, call)
        if row.kind != "place":
            raise not_found(f"a placement {row.command_id} of {account}")
        reads = await self._archive.orders()
        found = await reads.orders_of(account, [row])
        events = await reads.events(
            account, after_sequence=-1, limit=PAGE_MAX, command_id=row.command_id
        )
        story = OrderStory(
            placed=_command(account, row),
            orders=[_order(account, order) for order in found[row.command_id]],
            events=list(map(_event, events)),
        )
        return Answer(body=One(data=story))

    async def broker_orders(self, call: Call) -> Answer:
        """List the broker's orders, whoever placed them, highest order_id first."""
        query = parameters(call, BrokerOrdersQuery)
        account = self._account(call, query.account)
        reads = await self._archive.orders()
        rows = await reads.broker_orders(
            account,
            before_order_id=position_of("broker-orders", query.cursor),
            limit=query.limit + 1,
            open_only=query.open == "true",
        )
        page, following = cut(rows, query.limit, "broker-orders", lambda row: row.order_id)
        return Answer(body=Many(data=[_order(account, row) for row in page], next=following))

    async def broker_order(self, call: Call) -> Answer:
        """Return one order of the broker."""
        account = self._account(call, parameters(call, AccountQuery).account)
        reads = await self._archive.orders()
        row = await reads.broker_order(account, call.path["order_id"])
        if row is None:
            raise not_found(f"an order {call.path['order_id'][:40]} of {account}")
        return Answer(body=One(data=_order(account, row)))

    async def _commands(
        self, call: Call, listing: str, query: CommandsQuery, wanted: CommandFilter
    ) -> Answer:
        account = self._account(call, query.account)
        reads = await self._archive.orders()
        before = number_of(listing, query.cursor)
        rows = await reads.commands(account, wanted, before_serial=before, limit=query.limit + 1)
        page, following = cut(rows, query.limit, listing, lambda row: row.serial)
        return Answer(body=Many(data=[_command(account, row) for row in page], next=following))

    async def _events(self, account: str, query: EventsQuery, command_id: str | None) -> Answer:
        after = number_of("events", query.cursor)
        if after is None:
            after = -1 if query.after is None else query.after
        reads = await self._archive.orders()
        rows = await reads.events(
            account, after_sequence=after, limit=query.limit + 1, command_id=command_id
        )
        page, following = cut(rows, query.limit, "events", lambda row: row.sequence)
        return Answer(body=Many(data=list(map(_event, page)), next=following))

    async def _row(self, account: str, call: Call) -> CommandRow:
        command_id = call.path["command_id"]
        reads = await self._archive.orders()
        row = await reads.command(account, command_id)
        if row is None:
            raise not_found(f"a command {command_id[:64]} of {account}")
        return row

    def _account(self, call: Call, asked: str | None) -> str:
        permitted = [each for each in self._accounts if call.principal.may_read_orders(each)]
        if not permitted:
            raise HttpRefusal(403, "forbidden", "the key has no scope orders:<account>")
        return one_of(permitted, asked, "read")


def _command(account: str, row: CommandRow) -> CommandView:
    decode = msgspec.json.decode if row.encoding == "json" else msgspec.msgpack.decode
    try:
        asked = decode(row.payload)
    except msgspec.DecodeError as error:
        raise MessageError(f"payload of command {row.command_id}: {error}") from error
    return CommandView(
        account=account,
        command_id=row.command_id,
        kind=row.kind,
        state=row.state,
        is_open=row.is_open,
        strategy_id=row.strategy_id,
        target_command_id=row.target_command_id,
        order_id=row.order_id,
        tag=row.tag,
        attempts=row.attempts,
        reason=row.reason,
        received_us=row.received_us,
        sending_us=row.sending_us,
        changed_us=row.changed_us,
        valid_until_us=row.valid_until_us,
        command=asked,
    )


def _order(account: str, row: OrderRow) -> BrokerOrderView:
    facts = msgspec.structs.asdict(row)
    return BrokerOrderView(account=account, **{**facts, "seen": msgspec.Raw(row.seen.encode())})


def _event(stored: StoredEvent) -> OrderEvent:
    try:
        return msgspec.json.decode(stored.payload, type=OrderEvent)
    except msgspec.DecodeError as error:
        raise MessageError(f"event {stored.sequence}: {error}") from error
