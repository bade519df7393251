"""Published instruments turned into the engine's tables: states, expiry groups, strike ladders."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from enrich.kernels.state import GROUP_STATE, INSTRUMENT_STATE, STRIKE
from shared.wire.instruments import Kind


@dataclass(frozen=True, slots=True)
class Contracts:
    """Tables whose rows point at one another; `states` keeps the published order."""

    tokens: np.ndarray
    states: np.ndarray
    groups: np.ndarray
    strikes: np.ndarray
    #: Rows of the groups of each underlying, by its name.
    underlyings: dict[str, np.ndarray]
    #: The same of each exchange.
    exchanges: dict[str, np.ndarray]


def contracts(published: np.ndarray) -> Contracts:
    """Return fresh tables for published instruments, shape (n,), of INSTRUMENT_DTYPE.

    Rates are nought until somebody sets them.
    """
    states = _states(published)
    groups, strikes = _groups(published, states)
    tokens = np.ascontiguousarray(published["instrument_token"])
    return Contracts(
        tokens=tokens,
        states=states,
        groups=groups,
        strikes=strikes,
        underlyings=_groups_by(published, states, "underlying"),
        exchanges=_groups_by(published, states, "exchange"),
    )


def _groups_by(published: np.ndarray, states: np.ndarray, field: str) -> dict[str, np.ndarray]:
    derivative = states["group"] >= 0
    names, groups = published[field][derivative], states["group"][derivative]
    unique, first = np.unique(groups, return_index=True)
    of_group = names[first]
    return {name.decode(): unique[of_group == name] for name in np.unique(of_group)}


def _states(published: np.ndarray) -> np.ndarray:
    states = np.zeros(len(published), dtype=INSTRUMENT_STATE)
    for name in (
        "strike",
        "tick_size",
        "expiry_ns",
        "underlying_token",
        "lot_size",
        "shard",
        "kind",
    ):
        states[name] = published[name]
    tokens = published["instrument_token"]
    wanted = published["underlying_token"]
    position = np.searchsorted(tokens, wanted)
    position[position == len(tokens)] = 0
    states["underlying"] = np.where(tokens[position] == wanted, position, -1) if len(tokens) else -1
    states["group"] = -1
    return states


def _groups(published: np.ndarray, states: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    derivative = np.flatnonzero(published["kind"] >= Kind.FUTURE)
    rows = published[derivative]
    # The exchange too: a share's options may be listed on both, with books of their own.
    names = (_codes(rows["underlying"]), _codes(rows["exchange"]))
    keys = np.stack((*names, rows["expiry"].astype(np.int64)), axis=1)
    unique, group_of = np.unique(keys, axis=0, return_inverse=True)
    group_of = group_of.ravel()
    states["group"][derivative] = group_of
    groups = np.zeros(len(unique), dtype=GROUP_STATE)
    groups["future"] = groups["reference"] = -1
    groups["expiry_ns"][group_of] = rows["expiry_ns"]
    groups["underlying"][group_of] = states["underlying"][derivative]
    futures = rows["kind"] == Kind.FUTURE
    groups["future"][group_of[futures]] = derivative[futures]
    _neighbours(groups, unique)
    strikes = _ladders(rows, derivative, group_of, groups)
    states["twin"] = -1
    for one, other in (("call", "put"), ("put", "call")):
        listed = strikes[strikes[one] >= 0]
        states["twin"][listed[one]] = listed[other]
    return groups, strikes


def _neighbours(groups: np.ndarray, keys: np.ndarray) -> None:
    """Set, per group, the futures of the same underlying and exchange that expire round it.

    `keys`: underlying, exchange, expiry of each group, shape (n, 3), ascending.
    """
    groups["future_before"] = groups["future_after"] = -1
    for field, places in (("before", range(len(groups))), ("after", reversed(range(len(groups))))):
        passed, owner = -1, None
        for place in places:
            name = tuple(keys[place, :2])
            if name != owner:
                passed, owner = -1, name
            groups[f"future_{field}"][place] = passed
            if groups["future"][place] >= 0:
                passed = groups["future"][place]


def _codes(names: np.ndarray) -> np.ndarray:
    _, codes = np.unique(names, return_inverse=True)
    flat: np.ndarray = codes.ravel().astype(np.int64)
    return flat


def _ladders(
    rows: np.ndarray, index: np.ndarray, group_of: np.ndarray, groups: np.ndarray
) -> np.ndarray:
    """Return strikes of all groups, group after group, and set each group's range."""
    options = np.flatnonzero(rows["kind"] >= Kind.CALL)
    order = options[np.lexsort((rows["strike"][options], group_of[options]))]
    group, strike = group_of[order], rows["strike"][order]
    first = np.ones(len(order), dtype=bool)
    first[1:] = (group[1:] != group[:-1]) | (strike[1:] != strike[:-1])
    slot = np.cumsum(first) - 1
    strikes = np.zeros(int(first.sum()), dtype=STRIKE)
    strikes["call"] = strikes["put"] = -1
    strikes["strike"] = strike[first]
    calls = rows["kind"][order] == Kind.CALL
    strikes["call"][slot[calls]] = index[order][calls]
    strikes["put"][slot[~calls]] = index[order][~calls]
    owner = group[first]
    groups["strikes_start"] = np.searchsorted(owner, np.arange(len(groups)), side="left")
    groups["strikes_end"] = np.searchsorted(owner, np.arange(len(groups)), side="right")
    return strikes
