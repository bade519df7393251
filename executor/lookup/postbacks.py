"""HTTP postbacks: proven to be the broker's, then passed on as updates like all others.

The proof covers order_id and order_timestamp alone. So the row goes through the one reducer, as
every sighting does, and the order book is looked at as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum

import msgspec

from executor.desk import Desk
from executor.metrics import POSTBACKS
from executor.rules.reducer import parse_row
from shared.errors import MessageError
from shared.kite.session import postback_is_genuine
from shared.secret import Secret
from shared.streams.entry import Entry
from shared.streams.reader import GroupReader
from shared.streams.writer import Append, StreamWriter
from shared.wire.codec import decode, encode
from shared.wire.orders import BrokerUpdate, Postback
from shared.wire.topics import UPDATES


class Proof(StrEnum):
    """What is thought of a postback, a closed set."""

    GENUINE = "genuine"
    FORGED = "forged"
    UNPROVEN = "unproven"
    FOREIGN = "foreign"
    UNREADABLE = "unreadable"


class _Claims(msgspec.Struct, frozen=True):
    order_id: str
    order_timestamp: str | None = None
    checksum: str = ""
    user_id: str = ""


def prove(body: str, *, account: str, api_secret: Secret) -> Proof:
    """Return whether a postback's body is the broker's word about this account.

    Without the api_secret nothing can be proven.
    """
    try:
        claims = msgspec.json.decode(body, type=_Claims)
        parse_row(body.encode(), observed_us=0)
    except (msgspec.DecodeError, MessageError, UnicodeError):
        return Proof.UNREADABLE
    if claims.user_id not in ("", account):
        return Proof.FOREIGN
    if not api_secret:
        return Proof.UNPROVEN
    is_genuine = postback_is_genuine(
        order_id=claims.order_id,
        order_timestamp=claims.order_timestamp or "",
        checksum=claims.checksum,
        api_secret=api_secret,
    )
    return Proof.GENUINE if is_genuine else Proof.FORGED


class Postbacks:
    """Passes on what is proven; keeps as a dead letter what is not, for a person to see."""

    def __init__(
        self,
        *,
        reader: GroupReader,
        updates: StreamWriter,
        desk: Desk,
        api_secret: Callable[[], Secret],
    ) -> None:
        self._reader = reader
        self._updates = updates
        self._desk = desk
        self._api_secret = api_secret
        self._pending: list[Entry] = []
        self._is_ready = False

    async def step(self) -> None:
        """Read once, pass on, acknowledge.

        Raises:
            StreamError: Redis is away; what was read is passed on next time.
        """
        if not self._is_ready:
            await self._reader.ensure()
            self._pending += await self._reader.claim_abandoned(0)
            self._is_ready = True
        await self._pass_on()
        self._pending += await self._reader.read()
        await self._pass_on()

    async def _pass_on(self) -> None:
        genuine: list[tuple[Entry, BrokerUpdate]] = []
        for entry in tuple(self._pending):
            proof, update = self._judge(entry)
            POSTBACKS.labels(proof=proof.value).inc()
            if update is None:
                await self._reader.dead_letter(entry, f"postback is {proof}", entry.deliveries)
                self._pending.remove(entry)
            else:
                genuine.append((entry, update))
        if genuine:
            await self._write([update for _entry, update in genuine])
            await self._reader.acknowledge([entry for entry, _update in genuine])
            self._desk.look_soon.set()
        self._pending.clear()

    async def _write(self, updates: Sequence[BrokerUpdate]) -> None:
        await self._updates.append(
            [Append(UPDATES, self._desk.account, encode(update)) for update in updates]
        )

    def _judge(self, entry: Entry) -> tuple[Proof, BrokerUpdate | None]:
        try:
            postback: Postback = decode(entry.fields, Postback)
        except MessageError:
            return Proof.UNREADABLE, None
        proof = prove(postback.body, account=self._desk.account, api_secret=self._api_secret())
        if proof is not Proof.GENUINE:
            return proof, None
        row = msgspec.Raw(postback.body.encode())
        return proof, BrokerUpdate(
            source="postback", received_at_us=postback.received_at_us, row=row
        )
