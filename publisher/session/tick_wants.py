"""Ticks that one connection wants: what it named, how it is paced, where it goes on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from publisher.fanout.latest import Tokens
from publisher.protocol.messages import Refusal, UnderlyingChanged
from publisher.protocol.modes import MODES, ModeName
from publisher.protocol.requests import Policy, Resume, Subscribe, TickNames
from publisher.session.seat import Seat

_NO_TOKENS: Tokens = np.empty(0, np.uint32)
#: Patterns one connection may hold: each is resolved again whenever instruments change.
PATTERNS_HELD_MAX = 32


class Began:
    """How a subscribe began: its snapshot, how far it comes, whether nothing was missed."""

    def __init__(self, snapshot_id: int) -> None:
        self.snapshot_id = snapshot_id
        self.at: dict[str, str] = {}
        self.tokens: Tokens = _NO_TOKENS
        #: Underlyings and patterns taken, with how many instruments each stands for.
        self.groups: dict[str, int] = {}
        self.mode: ModeName | None = None
        self.is_recovered = True


class TickWants:
    """Wants instruments in the hub by any of their names; patterns follow what is published."""

    def __init__(self, seat: Seat) -> None:
        self._seat = seat
        self._hub = seat.hub
        self._desk = seat.desk
        self._subscriber = seat.subscriber
        self.policy = Policy()
        #: Underlyings and patterns subscribed to, each with its mode, the tokens that came of it.
        self._groups: dict[str, tuple[int, Tokens]] = {}

    @property
    def instruments_max(self) -> int:
        """Return how many instruments the connection may have."""
        limit = self._desk.limits.instruments_per_connection_max
        return min(limit, self._seat.principal.quotas.instruments or limit)

    @property
    def at(self) -> dict[str, str]:
        """Return how far each shard has come, where every tick up to there has been told."""
        is_complete = self.policy.mode != "conflate" and self._hub.policies.is_caught_up(
            self._subscriber
        )
        return self._hub.at if is_complete else {}

    def obey(self, policy: Policy) -> None:
        """Treat the reader so from now on."""
        self.policy = policy
        bytes_per_s = float(self._seat.principal.quotas.bytes_per_s or 0)
        self._hub.policies.pace(self._subscriber, policy.min_interval_ms / 1000, bytes_per_s)
        if policy.mode == "conflate":
            self._hub.policies.conflate(self._subscriber)
        else:
            self._hub.policies.flow(
                self._subscriber,
                is_strict=policy.mode == "strict",
                bytes_max=policy.budget_bytes,
            )

    def subscribe(self, request: Subscribe, refused: list[Refusal], now_s: float) -> Began:
        """Want what a request names; bring the client to where its ticks go on."""
        began = Began(self._hub.sequence)
        names = request.ticks
        if names is None:
            return began
        began.mode = MODES[self._mode(names)]
        if not self._seat.may_read_ticks("ticks", refused):
            return began
        self._want(names, request.snapshot, began, refused)
        everything = [began.tokens, *(self._groups[name][1] for name in began.groups)]
        self._begin(request, np.unique(np.concatenate(everything)), began, now_s)
        return began

    def unsubscribe(self, names: TickNames, refused: list[Refusal]) -> None:
        """Want what is named no longer."""
        tokens = self._named(names, refused, is_published_only=False)
        had = self._hub.unwant(self._subscriber, tokens)
        refused += [Refusal(str(token), "not_subscribed") for token in tokens[~had].tolist()]
        for name in (*names.underlyings, *names.patterns):
            if name in self._groups:
                self._hub.unwant(self._subscriber, self._groups.pop(name)[1])
            else:
                refused.append(Refusal(name, "not_subscribed"))

    def follow_groups(self) -> None:
        """Bring the subscribed underlyings and patterns up to what is published now."""
        for name, (mode, before) in tuple(self._groups.items()):
            now = self._desk.members_of(name)
            now = _NO_TOKENS if now is None else now
            gone, new = np.setdiff1d(before, now), np.setdiff1d(now, before)
            if not len(gone) and not len(new):
                continue
            self._hub.unwant(self._subscriber, gone)
            fits = self._room(new)
            self._hub.want(self._subscriber, new[fits], mode, has_snapshot=False)
            held = np.concatenate([np.intersect1d(before, now), new[fits]])
            self._groups[name] = (mode, held)
            self._seat.say(
                UnderlyingChanged(
                    underlying=name, instruments=len(held), refused=int((~fits).sum())
                )
            )

    def _begin(self, request: Subscribe, tokens: Tokens, began: Began, now_s: float) -> None:
        """Bring a client to where ticks go on: what it missed, else a snapshot; say which."""
        resume, above = request.resume, 0
        began.at, began.is_recovered = self.at, False
        if resume is not None and self.policy.mode == "conflate":
            began.is_recovered = (
                resume.epoch == self._desk.epoch and resume.sequence <= began.snapshot_id
            )
            above = resume.sequence if began.is_recovered else 0
        elif resume is not None and self._replay(resume, tokens, now_s):
            # The snapshot, of nothing, comes before what is told again.
            began.is_recovered, tokens, began.at = True, _NO_TOKENS, dict(resume.at)
        if request.snapshot or (resume is not None and not began.is_recovered):
            self._hub.snapshot(self._subscriber, tokens, above=above, snapshot_id=began.snapshot_id)

    def _replay(self, resume: Resume, tokens: Tokens, now_s: float) -> bool:
        is_first = len(tokens) == self._hub.wanted(self._subscriber)
        if not is_first or not self._desk.may_replay(now_s):
            return False
        pasts = self._hub.history.since(resume.at)
        if pasts is None:
            return False
        return self._hub.policies.replay(
            self._subscriber, pasts, self._desk.limits.replay_ticks_max
        )

    def _want(
        self, names: TickNames, has_snapshot: bool, began: Began, refused: list[Refusal]
    ) -> None:
        """Want what is named and fits: what is named singly, then each group whole."""
        mode = self._mode(names)
        began.tokens = self._fitting(self._named(names, refused), refused)
        self._hub.want(self._subscriber, began.tokens, mode, has_snapshot=has_snapshot)
        patterns = sum(map(is_pattern, {*self._groups, *names.patterns}))
        for name in (*names.underlyings, *names.patterns):
            members = self._desk.members_of(name)
            if is_pattern(name) and patterns > PATTERNS_HELD_MAX and name not in self._groups:
                refused.append(Refusal(name, "too_many_patterns"))
            elif members is None:
                refused.append(Refusal(name, "unknown_underlying"))
            elif not self._room(members).all():
                refused.append(Refusal(name, "over_quota"))
            else:
                self._hub.want(self._subscriber, members, mode, has_snapshot=has_snapshot)
                self._groups[name] = (mode, members)
                began.groups[name] = len(members)

    def _named(
        self, names: TickNames, refused: list[Refusal], *, is_published_only: bool = True
    ) -> Tokens:
        """Return the distinct tokens of what is named singly; the unknown is refused."""
        universe = self._desk.universe
        by_symbol = [(symbol, universe.token_of(symbol)) for symbol in names.symbols]
        refused += [Refusal(name, "unknown_instrument") for name, token in by_symbol if not token]
        tokens: Tokens = np.array(names.tokens, np.uint32)
        if is_published_only:
            known = universe.knows(tokens)
            refused += [Refusal(str(t), "unknown_instrument") for t in tokens[~known].tolist()]
            tokens = tokens[known]
        found = np.array([token for _, token in by_symbol if token], np.uint32)
        return np.unique(np.concatenate([tokens, found]))

    def _mode(self, names: TickNames) -> int:
        only = self._hub.dialect_of(self._subscriber).only_mode
        return MODES.index(names.mode) if only is None else only

    def _fitting(self, tokens: Tokens, refused: list[Refusal]) -> Tokens:
        fits = self._room(tokens)
        refused += [Refusal(str(token), "over_quota") for token in tokens[~fits].tolist()]
        fitting: Tokens = tokens[fits]
        return fitting

    def _room(self, tokens: Tokens) -> NDArray[np.bool_]:
        return self._hub.room(self._subscriber, tokens, self.instruments_max)


def is_pattern(name: str) -> bool:
    """Tell a pattern, which names an exchange, from an underlying, which does not."""
    return ":" in name
