"""Raw entries made of quotes, which say where an instrument stands after a gap."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from ingest.registry import Market
from shared.errors import MessageError
from shared.kite.codec import encode
from shared.streams.writer import Append
from shared.wire.segments import segment
from shared.wire.ticks import RAW_HEADER_DTYPE, SOCKET_REPAIR
from shared.wire.topics import RAW_TICKS


@dataclass(frozen=True, slots=True)
class Repair:
    """Entries to be written, how many packets they hold, why quotes were left out."""

    appends: list[Append]
    packets: int
    refused: tuple[str, ...]


class Targets:
    """How quotes call the instruments of one market, which shard carries each."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._tokens = market.instruments["instrument_token"]

    def known(self, tokens: Iterable[int]) -> list[int]:
        """Return those that are listed, the most important first."""
        asked = set(tokens)
        first = [token for token in self.market.tokens if token in asked]
        others = sorted(asked.difference(first))
        return first + [token for token in others if self._row(token) is not None]

    def name(self, token: int) -> str:
        """Return the name under which a quote is asked for.

        Raises:
            KeyError: it is not listed.
        """
        row = self._listed(token)
        return f"{row['exchange'].decode()}:{row['tradingsymbol'].decode()}"

    def shard(self, token: int) -> int:
        """Return the shard of a token.

        Raises:
            KeyError: it is not listed.
        """
        return int(self._listed(token)["shard"])

    def _listed(self, token: int) -> np.void:
        row = self._row(token)
        if row is None:
            raise KeyError(token)
        return row

    def _row(self, token: int) -> np.void | None:
        at = int(np.searchsorted(self._tokens, token))
        if at == len(self._tokens) or int(self._tokens[at]) != token:
            return None
        found: np.void = self.market.instruments[at]
        return found


class Repairs:
    """Makes entries; counts those of each shard as a writer of its own."""

    def __init__(self, account: str, epoch: int) -> None:
        """`epoch` is the Unix second of the start."""
        self._account = account.encode()
        self._epoch = epoch
        self._sequences: dict[int, int] = {}

    def made(self, quotes: Iterable[encode.Quote], at_ns: int, targets: Targets) -> Repair:
        """Return an entry per shard of these quotes, received at a moment of Unix ns."""
        packets: dict[int, list[bytes]] = {}
        refused: list[str] = []
        for quote in quotes:
            try:
                shard = targets.shard(quote["instrument_token"])
                packets.setdefault(shard, []).append(encode.packet(quote))
            except KeyError:
                refused.append(f"quote of {quote.get('instrument_token')}: nobody wants it")
            except MessageError as error:
                refused.append(str(error))
        version = targets.market.version
        appends = [self._append(shard, packets[shard], at_ns, version) for shard in sorted(packets)]
        return Repair(appends, sum(map(len, packets.values())), tuple(refused))

    def _append(self, shard: int, packets: list[bytes], at_ns: int, version: int) -> Append:
        header = np.zeros(1, dtype=RAW_HEADER_DTYPE)
        sequence = self._sequences.get(shard, 0)
        self._sequences[shard] = sequence + 1
        header["account"], header["socket"] = self._account, SOCKET_REPAIR
        header["sequence"], header["epoch"] = sequence, self._epoch
        header["packets"], header["shard"] = len(packets), shard
        header["instruments_version"] = version
        body = segment(at_ns, encode.frame(packets))
        return Append(RAW_TICKS, shard, {b"h": header.tobytes(), b"s": body})
