"""Channels that one connection follows: accounts' orders and updates, option chains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from publisher.fanout import channels
from publisher.protocol.messages import Refusal
from publisher.protocol.requests import Resume, Subscribe, Unsubscribe
from publisher.session.seat import Seat

_KINDS = ("orders", "updates")


class Followed:
    """Follows channels in the hub; a chain that is new is followed where its underlying is."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._desk = seat.desk
        self._channels = seat.hub.channels
        self._subscriber = seat.subscriber
        self._accounts: dict[str, set[str]] = {kind: set() for kind in _KINDS}
        #: By channel the entry after which its messages began.
        self._begun: dict[str, str] = {}
        self._chains: set[str] = set()

    @property
    def chains(self) -> list[str]:
        """Return the chains asked for, by name or by underlying."""
        return sorted(self._chains)

    def accounts(self, kind: str) -> list[str]:
        """Return the accounts followed; `kind` is orders or updates."""
        return sorted(self._accounts[kind])

    def subscribe_accounts(self, request: Subscribe, refused: list[Refusal]) -> list[str]:
        """Follow what may be followed, from where the client had come to; return what it missed."""
        resume, missed = request.resume or Resume(), list[str]()
        self._follow("orders", request.orders, resume.orders, refused, missed)
        self._follow("updates", request.updates, resume.updates, refused, missed)
        return missed

    def offsets(self, request: Subscribe) -> dict[str, str]:
        """Return, for what a request named, the entries after which its messages begin."""
        named = (("orders", request.orders), ("updates", request.updates))
        names = [
            f"{kind}:{account}"
            for kind, accounts in named
            for account in self._accounts[kind].intersection(accounts)
        ]
        return {name: self._begun.get(name, "0-0") for name in names}

    def subscribe_chains(self, names: Sequence[str], refused: list[Refusal]) -> list[str]:
        """Follow chains; return those there are, else the names asked for."""
        if names and not self._seat.may_read_ticks("chains", refused):
            return []
        told: list[str] = []
        for name in names:
            if self._desk.universe.members_of(name.partition(":")[0]) is None:
                refused.append(Refusal(name, "unknown_chain"))
                continue
            self._chains.add(name)
            found = self._desk.chains_of(name)
            for chain in found:
                self._channels.follow(self._subscriber, channels.CHAIN + chain)
            told += found or [name]
        return told

    def follow_chain(self, name: str) -> None:
        """Follow a chain that is new, where it or its underlying's chains were asked for."""
        if name in self._chains or name.partition(":")[0] in self._chains:
            self._channels.follow(self._subscriber, channels.CHAIN + name)

    def unsubscribe(self, request: Unsubscribe, refused: list[Refusal]) -> None:
        """Follow what is named no longer."""
        for kind, accounts in (("orders", request.orders), ("updates", request.updates)):
            for account in accounts:
                if account in self._accounts[kind]:
                    self._accounts[kind].discard(account)
                    self._channels.unfollow(self._subscriber, f"{kind}:{account}")
                else:
                    refused.append(Refusal(f"{kind}:{account}", "not_subscribed"))
        for name in request.chains:
            if name in self._chains:
                self._chains.discard(name)
                for chain in self._desk.chains_of(name):
                    self._channels.unfollow(self._subscriber, channels.CHAIN + chain)
            else:
                refused.append(Refusal(name, "not_subscribed"))

    def _follow(
        self,
        kind: str,
        accounts: Sequence[str],
        resume: Mapping[str, str],
        refused: list[Refusal],
        missed: list[str],
    ) -> None:
        for account in accounts:
            name = f"{kind}:{account}"
            channel = self._channels.get(name)
            if not self._seat.principal.may_read_orders(account):
                refused.append(Refusal(name, "forbidden"))
            elif channel is None:
                refused.append(Refusal(name, "unknown_account"))
            elif account not in self._accounts[kind]:
                reader = channel.after(resume[account]) if account in resume else None
                if reader is None and account in resume:
                    missed.append(name)
                self._accounts[kind].add(account)
                self._begun[name] = (resume[account] if reader is not None else None) or (
                    channel.newest_id() or "0-0"
                )
                self._channels.follow(self._subscriber, name, reader)
