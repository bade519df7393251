"""What the executor asks of the broker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeVar

import msgspec

from executor.rules.writes import FUND_KINDS, GTT_KINDS, PLAN_KINDS, Evidence
from shared.errors import (
    IllegalTransition,
    KiteError,
    KiteOutcomeUnknown,
    KiteRejected,
    KiteSessionExpired,
    KiteThrottled,
    KiteUnavailable,
)
from shared.kite import reads
from shared.kite.orders import KiteOrders, changed_order, new_order
from shared.kite.portfolio import KitePortfolio
from shared.kite.session import KiteSessions
from shared.kite.sliced import Placed, SliceError
from shared.kite.translate import refusal_code
from shared.kite.writes import KiteWrites, Write
from shared.secret import Secret
from shared.wire.families import Basket, Exit
from shared.wire.orders import Cancel, Command, Modify, Place
from shared.wire.switching import Halt, Reduce, Resume

_Row = TypeVar("_Row")


class Broker(Protocol):
    """The order desk; writes raise as `classify` lists, reads raise KiteError."""

    async def place(self, place: Place, tag: str) -> Placed:
        """Place an order and return what it led to."""
        ...

    async def modify(self, order_id: str, variety: str, modify: Modify) -> str:
        """Change an order and return its order_id."""
        ...

    async def cancel(self, order_id: str, variety: str, parent_order_id: str) -> str:
        """Cancel an order, "" for one without a parent, and return its order_id."""
        ...

    async def write(self, write: Write, tag: str) -> str:
        """Write something other than an order and return its id, "" where it has none."""
        ...

    async def evidence(self, kinds: frozenset[str]) -> Evidence:
        """Return what may show the end of writes of these kinds, of a session proven alive."""
        ...

    async def book(self) -> Sequence[bytes]:
        """Return every order row of the day as JSON, of a session proven alive."""
        ...

    async def history(self, order_id: str) -> Sequence[bytes]:
        """Return an order's rows as JSON, oldest first."""
        ...

    async def trades(self) -> Sequence[bytes]:
        """Return every fill of the day as JSON, of a session proven alive."""
        ...

    async def positions(self) -> Sequence[Mapping[str, Any]]:
        """Return the rows of the net positions, of a session proven alive."""
        ...

    async def holdings(self) -> Sequence[Mapping[str, Any]]:
        """Return the rows of the holdings, of a session proven alive."""
        ...


class KiteBroker:
    """Zerodha, as an order desk."""

    def __init__(
        self,
        orders: KiteOrders,
        sessions: KiteSessions,
        portfolio: KitePortfolio,
        writes: KiteWrites,
        token: Callable[[], Secret],
    ) -> None:
        self._writes = writes
        self._orders = orders
        self._sessions = sessions
        self._portfolio = portfolio
        self._token = token

    async def place(self, place: Place, tag: str) -> Placed:
        """Place an order and return what it led to."""
        return await self._orders.place(new_order(place, tag=tag))

    async def modify(self, order_id: str, variety: str, modify: Modify) -> str:
        """Change an order and return its order_id."""
        changed = changed_order(modify, order_id=order_id)
        return await self._orders.modify(msgspec.structs.replace(changed, variety=variety))

    async def cancel(self, order_id: str, variety: str, parent_order_id: str) -> str:
        """Cancel an order, "" for one without a parent, and return its order_id."""
        return await self._orders.cancel(
            order_id, variety=variety, parent_order_id=parent_order_id or None
        )

    async def write(self, write: Write, tag: str) -> str:
        """Write something other than an order and return its id, "" where it has none."""
        return await self._writes.write(write, tag=tag)

    async def evidence(self, kinds: frozenset[str]) -> Evidence:
        """Return what may show the end of writes of these kinds, of a session proven alive.

        Raises:
            KiteError: it was not read.
        """
        await self._sessions.profile()
        return Evidence(
            triggers=await self._writes.rows(reads.gtts()) if kinds & GTT_KINDS else (),
            fund_orders=await self._writes.rows(reads.mf_orders()) if kinds & FUND_KINDS else (),
            plans=await self._writes.rows(reads.mf_sips()) if kinds & PLAN_KINDS else (),
        )

    async def book(self) -> Sequence[bytes]:
        """Return every order row of the day as JSON, of a session proven alive.

        Raises:
            KiteError: it was not read.
        """
        rows = await self._believed(self._orders.book)
        return [bytes(row) for row in rows]

    async def history(self, order_id: str) -> Sequence[bytes]:
        """Return an order's rows as JSON, oldest first.

        Raises:
            KiteError: they were not read.
        """
        return [bytes(row) for row in await self._orders.history(order_id)]

    async def trades(self) -> Sequence[bytes]:
        """Return every fill of the day as JSON, of a session proven alive.

        Raises:
            KiteError: they were not read.
        """
        return [bytes(row) for row in await self._believed(self._orders.trades)]

    async def positions(self) -> Sequence[Mapping[str, Any]]:
        """Return the rows of the net positions, of a session proven alive.

        Raises:
            KiteError: they were not read.
        """

        async def net() -> Sequence[Mapping[str, Any]]:
            found = await self._portfolio.positions()
            if "net" not in found:
                raise KiteUnavailable("GET /portfolio/positions: data has no net")
            return found["net"]

        return await self._believed(net)

    async def holdings(self) -> Sequence[Mapping[str, Any]]:
        """Return the rows of the holdings, of a session proven alive.

        Raises:
            KiteError: they were not read.
        """
        return await self._believed(self._portfolio.holdings)

    async def _believed(self, read: Callable[[], Awaitable[Sequence[_Row]]]) -> Sequence[_Row]:
        """Return rows; none at all only where the very token that read them is proven to live.

        A dead token has been answered with empty lists; nothing is absent from those.
        Source: anadialgo.com, "empty positions" (read 2026-11).
        """
        token = self._token()
        rows = await read()
        if rows:
            return rows
        await self._sessions.profile()
        if self._token() != token:
            raise KiteUnavailable("an empty list was read while the session changed; ask again")
        return rows


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """One order request as it leaves."""

    command: Command
    order_id: str
    variety: str
    tag: str
    parent_order_id: str = ""


class Taken(msgspec.Struct, frozen=True):
    """The broker took it under this order_id; a sliced one with `others`, or not all of it."""

    order_id: str
    others: tuple[str, ...] = ()
    errors: tuple[SliceError, ...] = ()


class Refused(msgspec.Struct, frozen=True):
    """The broker said no for certain; `is_session` where the session is dead."""

    message: str
    error_type: str = ""
    code: str = "broker_rejected"
    is_session: bool = False


class NotExecuted(msgspec.Struct, frozen=True):
    """It certainly did not happen; `pause_s` where the broker's rate limit refused it."""

    message: str
    pause_s: float = 0.0


class Lost(msgspec.Struct, frozen=True):
    """Nobody knows; `is_failure` where the broker's side failed rather than answered oddly."""

    message: str
    is_failure: bool = True


Outcome = Taken | Refused | NotExecuted | Lost

_SERVER_ERROR: Final = 500


async def send(broker: Broker, request: Request) -> Outcome:
    """Send once and return what is known of it afterwards.

    Raises:
        KiteError: never; every one becomes an outcome, an unexpected one the most careful.
    """
    try:
        return await _call(broker, request)
    except KiteError as error:
        return classify(error)


def classify(error: KiteError) -> Outcome:
    """Return the outcome an error of a write stands for."""
    match error:
        case KiteSessionExpired():
            return Refused(str(error), error.error_type, _code(error), is_session=True)
        case KiteRejected():
            return Refused(str(error), error.error_type, _code(error))
        case KiteThrottled():
            return NotExecuted(str(error), error.retry_after_s)
        case KiteUnavailable():
            return NotExecuted(str(error))
        case KiteOutcomeUnknown(status=status):
            return Lost(str(error), is_failure=status == 0 or status >= _SERVER_ERROR)
        case _:
            return Lost(f"{type(error).__name__}: {error}")


def _code(error: KiteRejected) -> str:
    return f"broker_{refusal_code(error) or 'rejected'}"


async def _call(broker: Broker, request: Request) -> Taken:
    order_id, variety = request.order_id, request.variety
    match request.command:
        case Place() as place:
            placed = await broker.place(place, request.tag)
            return Taken(placed.order_id, placed.others, placed.errors)
        case Modify() as modify:
            return Taken(await broker.modify(order_id, variety, modify))
        case Cancel():
            return Taken(await broker.cancel(order_id, variety, request.parent_order_id))
        case Exit() | Basket() | Halt() | Reduce() | Resume():
            raise IllegalTransition("a command of ours alone never goes to the broker")
        case write:
            return Taken(await broker.write(write, request.tag))
