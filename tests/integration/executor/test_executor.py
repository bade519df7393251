from __future__ import annotations

import asyncio
import hashlib
import time
import uuid

import msgspec
import pytest
from prometheus_client import REGISTRY

from executor.rules.reducer import parse_row
from executor.rules.tag import tag_of
from shared.errors import MessageError, StoreError
from shared.kite.orders import KiteOrders
from shared.secret import Secret
from shared.store.journal import Journal
from shared.store.pool import open_pool
from shared.store.trading import TradingSwitch, set_trading
from shared.wire.orders import BrokerUpdate, Postback, State
from shared.wire.topics import COMMANDS, POSTBACKS, UPDATES, dead
from tests.integration.executor.conftest import LAST_PRICE, limit_order
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


async def test_placement_is_received_sent_accepted_followed_to_its_fill(room):
    async with room.executor():
        command_id = await room.send(**limit_order())
        await room.until(command_id, "received", "sending", "accepted", "updated")
        events = await room.until_state(command_id, "OPEN")
        (row,) = await room.book(events[-1].tag)
        assert (row["order_id"], row["tag"]) == (
            events[-1].order_id,
            tag_of(room.account, command_id),
        )
        await asyncio.to_thread(room.sandbox.post, "price", symbol="INFY", price=LAST_PRICE - 60)
        events = await room.until_state(command_id, "COMPLETE")
        assert (events[-1].filled_quantity, events[-1].pending_quantity) == (1, 0)
        assert await room.entries_left() == 0
        numbers = [each.sequence for each in await room.events()]
        assert numbers == list(range(1, len(numbers) + 1))


async def test_same_command_again_replays_its_newest_event_and_places_nothing(room):
    async with room.executor():
        command = limit_order(command_id=uuid.uuid4().hex, price="1450.50")
        for price in ("1450.50", "1450.5"):
            await room.send(**{**command, "price": price})
        await room.until_state(command["command_id"], "OPEN")
        await room.send(**command)

        async def replayed():
            events = await room.events(command["command_id"])
            return events if events[-1].event == "replayed" else None

        events = await eventually(replayed)
        assert (events[-1].state, events[-1].order_id) == (State.OPEN, events[-2].order_id)
        assert [each.event for each in events].count("replayed") == 2
        assert len(await room.book(tag_of(room.account, command["command_id"]))) == 1


async def test_fifty_copies_at_once_become_one_order(room):
    command = limit_order(command_id=uuid.uuid4().hex)
    async with room.executor():
        await asyncio.gather(*(room.send(**command) for _ in range(50)))
        await room.until_state(command["command_id"], "OPEN")

        async def all_answered():
            events = await room.events(command["command_id"])
            return [each.event for each in events].count("replayed") == 49

        await eventually(all_answered)
    assert len(await room.book(tag_of(room.account, command["command_id"]))) == 1


async def test_command_id_with_another_quantity_is_a_conflict(room):
    command = limit_order(command_id=uuid.uuid4().hex)
    async with room.executor():
        await room.send(**command)
        await room.until_state(command["command_id"], "OPEN")
        await room.send(**{**command, "quantity": 2})
        events = await room.until_state(command["command_id"], "CONFLICT")
        assert events[-1].reason.code == "command_id_reused"
        await room.send(**command)
        events = await room.until_state(command["command_id"], "OPEN")
        assert events[-1].event == "replayed"
    assert len(await room.book(tag_of(room.account, command["command_id"]))) == 1


async def test_expired_command_is_not_sent(room):
    async with room.executor():
        command_id = await room.send(**limit_order(valid_until_us=1_500_000_000_000_000))
        events = await room.until(command_id, "received", "expired")
        assert events[-1].state is State.EXPIRED
    assert await room.book(tag_of(room.account, command_id)) == []


async def test_market_order_without_protection_is_refused_with_field_and_limit(room):
    async with room.executor():
        command_id = await room.send(**limit_order(order_type="MARKET", price=None))
        events = await room.until(command_id, "received", "refused")
        assert (events[-1].reason.code, events[-1].reason.field, events[-1].reason.measured) == (
            "market_protection_missing",
            "market_protection",
            "absent",
        )


async def test_broker_refusal_is_rejected_with_its_words(room):
    async with room.executor():
        command_id = await room.send(**limit_order(tradingsymbol="NOSUCHTHING"))
        events = await room.until_state(command_id, "REJECTED", "UNKNOWN", "MANUAL")
        assert events[-1].state is State.REJECTED, events[-1].reason
        assert events[-1].reason.code == "broker_bad_input"


@pytest.mark.parametrize("kind", ["accept_then_drop", "accept_then_500", "refuse_timed_out_400"])
async def test_placement_of_unknown_outcome_is_found_by_its_tag_and_never_sent_again(room, kind):
    async with room.executor():
        await room.ready()
        await room.fault(kind=kind)
        command_id = await room.send(**limit_order())
        await room.until(command_id, "received", "sending", "unknown", "accepted")
        events = await room.until_state(command_id, "OPEN")
    (row,) = await room.book(events[-1].tag)
    assert row["order_id"] == events[-1].order_id
    assert [each.event for each in events].count("accepted") == 1


async def test_placement_that_never_arrived_is_left_to_a_person(room):
    async with room.executor():
        await room.ready()
        await room.fault(kind="drop_request")
        command_id = await room.send(**limit_order())
        events = await room.until(command_id, "received", "sending", "unknown", "manual")
        assert events[-1].reason.code == "never_seen"
    assert await room.book(tag_of(room.account, command_id)) == []


async def test_throttled_placement_goes_out_again_once(room):
    async with room.executor():
        await room.ready()
        await room.fault(kind="http_429", method="POST", path="/orders")
        command_id = await room.send(**limit_order())
        await room.until(command_id, "received", "sending", "not_sent", "sending", "accepted")
    assert len(await room.book(tag_of(room.account, command_id))) == 1


async def test_throttled_placement_that_was_taken_all_the_same_is_found_and_not_sent_again(room):
    async with room.executor():
        await room.ready()
        throttled = {"kind": "accept_then_500", "status": 429, "error_type": "NetworkException"}
        await room.fault(**throttled, method="POST", path="/orders")
        command_id = await room.send(**limit_order())
        events = await room.until_state(command_id, "OPEN")
    assert [each.event for each in events].count("sending") == 1
    assert "not_sent" in [each.event for each in events]
    assert len(await room.book(tag_of(room.account, command_id))) == 1


async def test_throttled_modify_goes_out_again_once(room):
    async with room.executor():
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        await room.fault(kind="http_429", method="PUT", path="/orders")
        modify = await room.send(kind="modify", target_command_id=placed, price="1440")
        await room.until(modify, "received", "sending", "not_sent", "sending", "accepted")
    (row,) = await room.book(tag_of(room.account, placed))
    assert row["price"] == 1440


async def test_throttled_modify_that_was_done_all_the_same_is_seen_and_not_sent_again(room):
    async with room.executor():
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        throttled = {"kind": "accept_then_500", "status": 429, "error_type": "NetworkException"}
        await room.fault(**throttled, method="PUT", path="/orders")
        modify = await room.send(kind="modify", target_command_id=placed, price="1440")
        await room.until(modify, "received", "sending", "not_sent", "accepted")
    (row,) = await room.book(tag_of(room.account, placed))
    assert row["price"] == 1440


async def test_cancel_by_command_id_cancels_the_order(room):
    async with room.executor():
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        cancel = await room.send(kind="cancel", target_command_id=placed)
        await room.until(cancel, "received", "sending", "accepted", "updated")
        await room.until_state(cancel, "CANCELLED")
        events = await room.until_state(placed, "CANCELLED")
        assert events[-1].cancelled_quantity == 1


async def test_cancel_by_order_id_cancels_an_order_nobody_here_placed(room):
    counted = REGISTRY.get_sample_value("tickflow_executor_external_orders_total")
    order_id = await room.place_elsewhere()
    async with room.executor():
        cancel = await room.send(kind="cancel", order_id=order_id)
        await room.until_state(cancel, "CANCELLED")
    assert REGISTRY.get_sample_value("tickflow_executor_external_orders_total") > counted
    assert (await room.book("app"))[0]["status"] == "CANCELLED"


async def test_cancel_whose_answer_was_lost_ends_cancelled(room):
    async with room.executor():
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        await room.fault(kind="accept_then_drop", method="DELETE", path="/orders")
        cancel = await room.send(kind="cancel", target_command_id=placed)
        await room.until_state(cancel, "CANCELLED")


async def test_cancel_that_never_arrived_is_issued_again(room):
    async with room.executor():
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        await room.fault(kind="drop_request", method="DELETE", path="/orders")
        cancel = await room.send(kind="cancel", target_command_id=placed)
        await room.until(cancel, "received", "sending", "unknown", "reissued", "sending")
        await room.until_state(cancel, "CANCELLED")


async def test_cancel_of_an_ended_order_is_refused(room):
    async with room.executor():
        placed = await room.send(**limit_order(tradingsymbol="NOSUCHTHING"))
        await room.until_state(placed, "REJECTED")
        cancel = await room.send(kind="cancel", target_command_id=placed)
        events = await room.until(cancel, "received", "refused")
        assert events[-1].reason.code == "target_ended"


async def test_cancel_read_before_its_placement_ends_both(room):
    target = uuid.uuid4().hex
    async with room.executor(target_wait_s=30):
        cancel = await room.send(kind="cancel", target_command_id=target)
        await room.until(cancel, "received", "waiting")
        await room.send(**limit_order(command_id=target))
        await room.until(target, "received", "ended_unsent")
        await room.until(cancel, "received", "waiting", "ended_unsent")
    assert await room.book(tag_of(room.account, target)) == []


async def test_cancel_whose_placement_never_comes_is_refused_but_the_placement_stays_dead(room):
    target = uuid.uuid4().hex
    async with room.executor():
        cancel = await room.send(kind="cancel", target_command_id=target)
        events = await room.until(cancel, "received", "waiting", "refused")
        assert events[-1].reason.code == "target_unknown"
        await room.send(**limit_order(command_id=target))
        await room.until(target, "received", "ended_unsent")


def told(name, **labels):
    return REGISTRY.get_sample_value(f"tickflow_executor_{name}", labels)


async def test_modify_changes_the_order_and_counts(room):
    async with room.executor(modifications_max=1):
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        modify = await room.send(kind="modify", target_command_id=placed, price="1460")
        await room.until(modify, "received", "sending", "accepted")
        (row,) = await room.book(tag_of(room.account, placed))
        assert row["price"] == 1460
        await eventually(lambda: told("modifications_used_changes") == 1)
        assert told("modifications_max_changes") == 1
        assert told("order_budget_used_ratio", window="day") > 0
        second = await room.send(kind="modify", target_command_id=placed, price="1461")
        events = await room.until(second, "received", "refused")
        assert events[-1].reason.code == "modifications_spent"


async def test_modify_of_unknown_outcome_is_accepted_once_it_is_seen_in_effect(room):
    async with room.executor():
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        await room.fault(kind="accept_then_drop", method="PUT", path="/orders")
        modify = await room.send(kind="modify", target_command_id=placed, price="1460")
        await room.until(modify, "received", "sending", "unknown", "accepted")


async def test_what_adds_to_a_side_waits_while_a_modify_of_it_is_in_doubt(room):
    async with room.executor(settle_s=(0.5, 1.0, 2.5)):
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        await room.fault(kind="drop_request", method="PUT")
        doubted = await room.send(kind="modify", target_command_id=placed, quantity=3)
        await room.until(doubted, "received", "sending", "unknown")
        added = await room.send(**limit_order())
        soon_us = time.time_ns() // 1000 + 1_200_000
        hurried = await room.send(**limit_order(valid_until_us=soon_us))
        larger = await room.send(kind="modify", target_command_id=placed, quantity=2)
        cheaper = await room.send(kind="modify", target_command_id=placed, price="1440")
        await room.until_state(added, "OPEN")
        await room.until_state(larger, "ACCEPTED")

        async def number(command_id, name):
            return next(
                each.sequence for each in await room.events(command_id) if each.event == name
            )

        given_up = await number(doubted, "manual")
        assert await number(cheaper, "sending") < given_up
        assert given_up < await number(added, "sending")
        assert given_up < await number(larger, "sending")
        for each in (added, larger):
            waiting = (await room.events(each))[1]
            assert (waiting.event, waiting.reason.code) == ("waiting", "like_in_doubt")
            assert waiting.reason.measured == doubted
        events = await room.until(hurried, "received", "waiting", "expired")
        assert (events[-1].reason.field, events[-1].reason.measured) == (
            "valid_until_us",
            str(soon_us),
        )
        assert doubted in events[-1].reason.sentence


async def test_modify_that_never_arrived_is_left_to_a_person_and_not_sent_again(room):
    async with room.executor():
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        await room.fault(kind="drop_request", method="PUT", path="/orders")
        modify = await room.send(kind="modify", target_command_id=placed, price="1460")
        events = await room.until(modify, "received", "sending", "unknown", "manual")
        assert events[-1].reason.code == "not_in_effect"
        (row,) = await room.book(tag_of(room.account, placed))
        assert row["price"] == LAST_PRICE - 50


async def test_cancel_of_an_order_the_broker_does_not_know_says_so_and_ends(room):
    async with room.executor():
        await room.ready()
        cancel = await room.send(kind="cancel", order_id="240101000000001")
        events = await room.until(cancel, "received", "sending", "unknown", "rejected")
        assert "Couldn't find that `order_id`" in events[2].reason.sentence
        reason = events[-1].reason
        assert (events[-1].state, reason.code, reason.field, reason.measured) == (
            State.REJECTED,
            "target_unknown",
            "order_id",
            "240101000000001",
        )
        assert reason.sentence.startswith(
            "the broker knows no order 240101000000001 in today's order book, which was read whole"
        )


async def cancel_that_never_arrives(room, order_id):
    """Send a cancel whose request is lost; return the events that end it."""
    await room.fault(kind="drop_request", method="DELETE", path="/orders")
    cancel = await room.send(kind="cancel", order_id=order_id)
    return await room.until(cancel, "received", "sending", "unknown", "manual")


async def test_cancel_is_left_to_a_person_where_its_order_may_be_a_row_that_cannot_be_read(
    room, monkeypatch
):
    order_id = await room.place_elsewhere(price="1400")

    def parse(row, *, observed_us):
        order = parse_row(row, observed_us=observed_us)
        if order.order_id == order_id:
            raise MessageError("a row of tomorrow's kind")
        return order

    monkeypatch.setattr("executor.lookup.reconcile.parse_row", parse)
    async with room.executor():
        await room.ready()
        events = await cancel_that_never_arrives(room, order_id)
    assert events[-1].reason.code == "not_in_effect"


async def test_cancel_is_left_to_a_person_where_its_order_was_seen_and_is_gone(room, monkeypatch):
    order_id = await room.place_elsewhere(price="1400")
    async with room.executor():
        await room.ready()
        book = KiteOrders.book

        async def forgetful(orders):
            return [row for row in await book(orders) if order_id.encode() not in bytes(row)]

        monkeypatch.setattr(KiteOrders, "book", forgetful)
        events = await cancel_that_never_arrives(room, order_id)
    assert events[-1].reason.code == "not_in_effect"


async def test_modify_based_on_an_older_view_is_refused(room):
    async with room.executor():
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        modify = await room.send(
            kind="modify", target_command_id=placed, price="1460", expect_version="another"
        )
        events = await room.until(modify, "received", "refused")
        assert events[-1].reason.code == "version_changed"


async def test_commands_whose_claim_was_committed_unseen_are_sent_once_all_the_same(
    room, monkeypatch
):
    """As when PostgreSQL stops between the commit and its answer."""
    claim_new, failed = Journal.claim_new, []

    async def commit_unseen(self, given, **facts):
        rows = await claim_new(self, given, **facts)
        if rows is not None and not failed:
            failed.append(len(rows))
            raise StoreError("PostgreSQL: TimeoutError")
        return rows

    monkeypatch.setattr(Journal, "claim_new", commit_unseen)
    sent = [await room.send(**limit_order()) for _ in range(2)]
    async with room.executor():
        for command_id in sent:
            await room.until_state(command_id, "OPEN")
            names = [each.event for each in await room.events(command_id)]
            assert (names.count("received"), names.count("sending")) == (1, 1)
    assert failed == [2]
    for command_id in sent:
        assert len(await room.book(tag_of(room.account, command_id))) == 1


async def test_undecodable_entries_are_kept_and_told_while_the_others_go_on(room):
    async with room.executor():
        await room.send_raw(b"{not json")
        await room.send_raw(b'{"command_id": "readable-1", "kind": "place", "quantity": -5}')
        for price in ("sNaN", "1e999999999"):
            await room.send(**limit_order(command_id="readable-2", price=price))
        await room.send_raw(b'{"command_id": "short", "kind": "cancel", "order_id": "1"}')
        named = await room.send_raw(b'{"kind": "cancel", "order_id": "1"}')
        good = await room.send(**limit_order())
        await room.until_state(good, "OPEN")
        for command_id, field in (
            ("readable-1", "quantity"),
            ("readable-2", "price"),
            ("short", "command_id"),
        ):
            event = (await room.events(command_id))[-1]
            assert (event.state, event.reason.code) == (State.REFUSED, "malformed")
            assert (event.reason.field, bool(event.reason.limit)) == (field, True)
        nameless = [each.reason for each in await room.events("")]
        assert [each.field for each in nameless] == ["", "command_id"]
        assert "JSON is malformed" in nameless[0].sentence
        assert nameless[1].sentence.startswith(f"entry {named}: command_id is absent")
        letters = await room.redis.xrange(dead(COMMANDS.name(room.account)))
        assert letters[0][1][b"field.json"] == b"{not json"
        assert len(letters) == 6
        assert await room.entries_left() == 0


async def test_commands_the_journal_has_taken_leave_their_stream(room):
    stream = COMMANDS.name(room.account)
    async with room.executor():
        for _ in range(300):  # trimming goes by whole nodes of a hundred entries
            await room.send_raw(b"{not json")
        await eventually(lambda: _none_left(room))

    async with room.executor():
        await eventually(lambda: _shorter(room, stream, 300))


async def _none_left(room):
    assert await room.redis.xlen(COMMANDS.name(room.account)) == 300
    assert await room.entries_left() == 0
    letters = await room.redis.xlen(dead(COMMANDS.name(room.account)))
    assert letters == 300
    return True


async def _shorter(room, stream, than):
    assert await room.redis.xlen(stream) < than
    return True


async def test_update_of_the_socket_moves_the_order_before_any_poll(room):
    async with room.executor(poll_s_min=30, poll_s_max=60):
        await room.ready()
        command_id = await room.send(**limit_order())
        await room.until_state(command_id, "ACCEPTED")
        (row,) = await room.book(tag_of(room.account, command_id))
        update = BrokerUpdate(
            source="socket",
            received_at_us=1_800_000_000_000_000,
            row=msgspec.Raw(msgspec.json.encode(row)),
        )
        await room.redis.xadd(UPDATES.name(room.account), {"json": msgspec.json.encode(update)})
        await room.until_state(command_id, "OPEN")


async def test_proven_postback_moves_the_order_and_a_forged_one_is_kept_dead(room):
    secret = "of-the-app"
    account = msgspec.structs.replace(room.settings.account, api_secret=Secret(secret))
    room.settings = msgspec.structs.replace(room.settings, account=account)
    async with room.executor(poll_s_min=30, poll_s_max=60):
        await room.ready()
        command_id = await room.send(**limit_order())
        await room.until_state(command_id, "ACCEPTED")
        (row,) = await room.book(tag_of(room.account, command_id))
        text = f"{row['order_id']}{row['order_timestamp']}{secret}"
        for checksum in ("0" * 64, hashlib.sha256(text.encode()).hexdigest()):
            postback = Postback(
                received_at_us=1_800_000_000_000_000,
                body=msgspec.json.encode({**row, "checksum": checksum}).decode(),
            )
            entry = {"json": msgspec.json.encode(postback)}
            await room.redis.xadd(POSTBACKS.name(room.account), entry)
        await room.until_state(command_id, "OPEN")
        letters = await room.redis.xrange(dead(POSTBACKS.name(room.account)))
        assert [fields[b"reason"] for _, fields in letters] == [b"postback is forged"]
    async with room.executor():
        await eventually(lambda: figure("tickflow_executor_dead_letters_entries") == 1)
        assert figure("tickflow_executor_dead_letters_age_seconds") >= 0


def figure(name, stream="postbacks"):
    return REGISTRY.get_sample_value(name, {"stream": stream})


async def test_second_executor_waits_until_the_first_has_left(room):
    async with room.executor():
        await room.ready()
        first_probe = room.probe
        async with room.executor():
            second = await room.probe.readiness()
            assert not second.checks["seat"].ok
            assert (await first_probe.readiness()).status == "pass"
    async with room.executor():
        await room.ready()


async def test_halted_account_sends_cancels_only(room):
    async with room.executor():
        placed = await room.send(**limit_order())
        await room.until_state(placed, "OPEN")
        halt = TradingSwitch(
            scope="account", subject=room.account, state="HALTED", set_by="test", changed_us=1
        )
        async with open_pool(room.settings.postgres) as pool:
            await set_trading(pool, halt)
        refused = await room.send(**limit_order())
        events = await room.until(refused, "received", "refused")
        assert events[-1].reason.code == "trading_halted"
        cancel = await room.send(kind="cancel", target_command_id=placed)
        await room.until_state(cancel, "CANCELLED")


async def test_dead_session_holds_commands_back_until_the_book_is_read_again(room):
    dead_session = {
        "kind": "http_error",
        "status": 403,
        "error_type": "TokenException",
        "message": "Incorrect `api_key` or `access_token`.",
    }
    async with room.executor():
        await room.ready()
        await room.fault(**dead_session, count=100)
        first = await room.send(**limit_order())
        await room.until_state(first, "REJECTED")
        second = await room.send(**limit_order())
        await room.until(second, "received")
        assert not (await room.probe.readiness()).checks["session"].ok
        await asyncio.to_thread(room.sandbox.delete, "faults")
        await room.until_state(second, "OPEN")
        await room.ready()
    assert await room.book(tag_of(room.account, first)) == []


async def test_placement_waits_while_one_of_its_side_and_instrument_is_in_doubt(room):
    async with room.executor(settle_s=(0.3, 0.6, 0.9)):
        await room.ready()
        await room.fault(kind="drop_request")
        doubted = await room.send(**limit_order())
        await room.until(doubted, "received", "sending", "unknown")
        same_side = await room.send(**limit_order())
        other_side = await room.send(
            **limit_order(transaction_type="SELL", price=str(LAST_PRICE + 50))
        )
        await room.until_state(other_side, "ACCEPTED", "OPEN", "REJECTED")
        assert [each.event for each in await room.events(same_side)] == ["received", "waiting"]
        assert (await room.events(doubted))[-1].state is State.UNKNOWN
        await room.until_state(doubted, "MANUAL")
        await room.until_state(same_side, "OPEN")
