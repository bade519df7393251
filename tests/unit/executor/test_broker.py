from __future__ import annotations

import pytest

from executor.broker.broker import Lost, NotExecuted, Refused, Request, Taken, classify, send
from shared.errors import (
    KiteError,
    KiteOutcomeUnknown,
    KiteRejected,
    KiteSessionExpired,
    KiteThrottled,
    KiteUnavailable,
)
from shared.kite.sliced import Placed
from tests.unit.executor.builders import a_cancel, a_modify, a_place


class Desk:
    """A broker that remembers what it was asked, or fails."""

    def __init__(self, error=None):
        self.asked = []
        self.error = error

    async def place(self, place, tag):
        return Placed(self._take("place", place.command_id, tag))

    async def modify(self, order_id, variety, modify):
        assert modify.command_id == "command-2"
        return self._take("modify", order_id, variety)

    async def cancel(self, order_id, variety, _parent):
        return self._take("cancel", order_id, variety)

    def _take(self, *asked):
        self.asked.append(asked)
        if self.error:
            raise self.error
        return "42"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (KiteRejected("no", error_type="New"), Refused("no", "New", "broker_rejected")),
        (
            KiteRejected("no", error_type="MarginException", status=400),
            Refused("no", "MarginException", "broker_margin"),
        ),
        (KiteSessionExpired("dead", error_type="T"), Refused("dead", "T", is_session=True)),
        (KiteThrottled("slow", retry_after_s=2), NotExecuted("slow", 2)),
        (KiteUnavailable("away"), NotExecuted("away")),
        (KiteOutcomeUnknown("?"), Lost("?")),
        (KiteOutcomeUnknown("?", status=502), Lost("?")),
        (KiteOutcomeUnknown("?", status=400), Lost("?", is_failure=False)),
        (KiteError("new kind"), Lost("KiteError: new kind")),
    ],
)
async def test_error_of_a_write_becomes_its_outcome_the_unheard_of_one_unknown(error, outcome):
    assert classify(error) == outcome
    request = Request(command=a_place(), order_id="", variety="regular", tag="t")
    assert await send(Desk(error), request) == outcome


@pytest.mark.parametrize(
    ("command", "asked"),
    [
        (a_place(), ("place", "command-1", "tf1")),
        (a_modify(), ("modify", "7", "amo")),
        (a_cancel(), ("cancel", "7", "amo")),
    ],
)
async def test_request_is_sent_once_under_its_names(command, asked):
    desk = Desk()
    request = Request(command=command, order_id="7", variety="amo", tag="tf1")
    assert await send(desk, request) == Taken("42")
    assert desk.asked == [asked]
