"""What the sockets say: ticks into the intake, order updates onwards, losses told."""

from __future__ import annotations

from ingest import metrics
from ingest.intake import Intake, Offered
from ingest.outlet import MessageOutlet, TickOutlet
from ingest.registry import Market
from shared.clock import Clock
from shared.kite import notices
from shared.kite.codec.overflow import Losses
from shared.kite.codec.route import Router
from shared.runtime.logs import get_log
from shared.runtime.throttle import Throttle
from shared.wire.control import Gap, GapCause

#: A frame shorter than its count is Kite's heartbeat.
HEARTBEAT_BYTES_MAX = 1
#: A gap of the intake concerns every socket.
EVERY_SOCKET = -1

log = get_log()


class Arrivals:
    """Takes the messages of every socket of an account; nothing here may wait."""

    def __init__(
        self,
        account: str,
        ticks: TickOutlet,
        gaps: MessageOutlet,
        updates: MessageOutlet,
        clock: Clock,
    ) -> None:
        self._account = account
        self._ticks = ticks
        self._gaps = gaps
        self._updates = updates
        self._clock = clock
        self._epoch = clock.now_ns() // 1_000_000_000
        self._oddities = Throttle(1.0, clock=clock)
        self._drop_cause: GapCause = "intake_full"
        self._packets_untold = 0
        ticks.on_losses(self._tell)

    def prepared(self, market: Market, version: int, *, buffers: int) -> Intake:
        """Return an intake that routes by these instruments; compiles, so not on the loop."""
        rows = market.instruments
        tokens, shards = rows["instrument_token"].copy(), rows["shard"].copy()
        return Intake(
            Router(tokens, shards, market.shard_map.shards),
            account=self._account,
            version=version,
            loads_max=buffers,
            epoch=self._epoch,
            before=self._ticks.intake,
        )

    def frame(self, socket: int, frame: bytes, received_at_ns: int) -> bool:
        """Take one frame from a socket; return False for one so damaged that nothing was kept."""
        intake = self._ticks.intake
        if len(frame) <= HEARTBEAT_BYTES_MAX or intake is None:
            return True
        offered = intake.offer(frame, received_at_ns, socket)
        self._packets_untold += offered.packets
        if offered.unknown or offered.damage:
            self._note_oddity(offered)
        if offered.dropped:
            self._note_drop(offered.dropped)
        self._ticks.wake()
        return not offered.damage

    def of(self, account: str) -> AccountArrivals:
        """Return where the messages of one account's sockets go."""
        return AccountArrivals(self, account)

    def text(self, socket: int, text: bytes, received_at_ns: int, account: str = "") -> None:
        """Take one text frame: an order update, a complaint, a notice."""
        said = notices.read(text)
        if isinstance(said, notices.OrderUpdate):
            self._updates.update(account or self._account, said.row, received_at_ns)
        elif isinstance(said, notices.Complaint):
            log.warning("kite.complained", socket=socket, text=said.text)
        elif isinstance(said, notices.Notice):
            log.info("kite.noticed", socket=socket, text=said.text)

    def tally(self) -> None:
        """Tell the metrics how many packets came since this was called last."""
        metrics.PACKETS.inc(self._packets_untold)
        self._packets_untold = 0

    def tell_drops(self) -> None:
        """Tell, before it all ends, what gave way to newer packets until now."""
        for losses in self._ticks.give_up():
            self._tell(losses)

    def _tell(self, losses: Losses) -> None:
        gap = Gap(
            from_us=losses.from_ns // 1000,
            to_us=losses.to_ns // 1000,
            account=self._account,
            socket=EVERY_SOCKET,
            instrument_tokens=list(losses.tokens),
            cause=self._drop_cause,
            packets_dropped=losses.packets,
        )
        metrics.GAPS.labels(gap.cause).inc()
        self._gaps.gap(gap)
        log.warning("intake.was_full", packets_dropped=losses.packets, cause=gap.cause)
        self._drop_cause = "intake_full"

    def _note_drop(self, packets: int) -> None:
        if self._ticks.trouble:
            self._drop_cause = "stream_away"
        metrics.LEFT_OUT.labels(self._drop_cause).inc(packets)

    def _note_oddity(self, offered: Offered) -> None:
        metrics.LEFT_OUT.labels("unknown_instrument").inc(offered.unknown)
        if offered.damage:
            metrics.DAMAGED.inc()
            if (suppressed := self._oddities.admit("damage")) is not None:
                log.warning("frame.damaged", reason=offered.damage, suppressed=suppressed)


class AccountArrivals:
    """Takes the messages of one account's sockets."""

    def __init__(self, arrivals: Arrivals, account: str) -> None:
        self._account = account
        self._arrivals = arrivals
        self.frame = arrivals.frame

    def text(self, socket: int, text: bytes, received_at_ns: int) -> None:
        """Take one text frame."""
        self._arrivals.text(socket, text, received_at_ns, self._account)
