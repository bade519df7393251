from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from executor.rules.backlog import Backlog
from tests.unit.executor.builders import NOW_US, a_cancel, a_modify, a_place, a_row


def place(serial, **facts):
    return a_row(a_place(command_id=f"place-{serial:04d}"), serial=serial, **facts)


def cancel(serial):
    return a_row(a_cancel(command_id=f"cancel-{serial:04d}"), serial=serial)


def modify(serial, target="command-1"):
    return a_row(
        a_modify(command_id=f"modify-{serial:04d}", target_command_id=target), serial=serial
    )


def filled(*rows):
    backlog = Backlog()
    for row in rows:
        backlog.add(row)
    return backlog


def take_all(backlog):
    taken = []
    while (row := backlog.take()) is not None:
        taken.append(row)
    return taken


def test_backlog_hands_out_cancels_first_then_by_claim():
    rows = [place(3), place(1), cancel(4), cancel(2)]
    assert [row.serial for row in take_all(filled(*rows))] == [2, 4, 1, 3]


def test_backlog_full_of_sends_still_hands_out_cancels():
    backlog = filled(place(1), cancel(2))
    assert backlog.take(cancels_only=True) == cancel(2)
    assert backlog.take(cancels_only=True) is None
    assert backlog.take() == place(1)


def test_backlog_does_not_hand_out_twice_what_is_at_work():
    backlog = filled(place(1))
    assert backlog.take() == place(1)
    backlog.add(place(1))
    assert backlog.take() is None
    backlog.done(place(1))
    assert len(backlog) == 0


def test_backlog_sends_modifies_of_one_order_one_after_another():
    backlog = filled(modify(1), modify(2), modify(3, target="command-9"))
    assert [row.serial for row in take_all(backlog)] == [1, 3]
    backlog.done(modify(1))
    assert [row.serial for row in take_all(backlog)] == [2]


def test_backlog_keeps_what_is_parked_until_it_is_woken():
    backlog = filled(cancel(1), place(2))
    row = backlog.take()
    backlog.park(row)
    assert take_all(backlog) == [place(2)]
    backlog.wake()
    assert backlog.take() == cancel(1)


def test_backlog_put_back_keeps_its_place_and_its_newest_row():
    backlog = filled(place(1), place(2))
    row = backlog.take()
    backlog.put_back(place(1, attempts=1))
    assert [each.attempts for each in take_all(backlog)] == [1, 0]
    assert row.attempts == 0


def test_backlog_hands_out_what_has_expired_whatever_holds_it():
    backlog = filled(place(1, valid_until_us=NOW_US), place(2))
    backlog.park(backlog.take())
    assert backlog.take_expired(NOW_US - 1) is None
    assert backlog.take_expired(NOW_US).serial == 1
    assert backlog.take_expired(NOW_US) is None


@given(st.lists(st.sampled_from(["add", "take", "done", "park", "back", "wake"]), max_size=60))
def test_backlog_loses_and_doubles_nothing(steps):
    backlog, given_out, added = Backlog(), [], 0
    finished = 0
    for step in steps:
        if step == "add":
            added += 1
            backlog.add(place(added))
        elif step == "take" and (row := backlog.take()) is not None:
            assert row not in given_out
            given_out.append(row)
        elif step == "done" and given_out:
            backlog.done(given_out.pop())
            finished += 1
        elif step == "park" and given_out:
            backlog.park(given_out.pop())
        elif step == "back" and given_out:
            backlog.put_back(given_out.pop())
        elif step == "wake":
            backlog.wake()
    backlog.wake()
    assert len(take_all(backlog)) + len(given_out) + finished == added


_STEPS = ("add", "add ending", "take", "done", "park", "back", "wake", "later", "expired")


@given(st.lists(st.sampled_from(_STEPS), max_size=80))
def test_backlog_hands_out_exactly_those_that_have_expired_and_wait(steps):
    backlog, waiting, given_out, now_us, added = Backlog(), {}, [], NOW_US, 0
    for step in steps:
        if step in ("add", "add ending"):
            added += 1
            end_us = now_us + added % 3 if step == "add ending" else None
            row = place(added, valid_until_us=end_us)
            waiting[row.command_id] = row
            backlog.add(row)
        elif step == "take" and (row := backlog.take()) is not None:
            given_out.append(waiting.pop(row.command_id))
        elif step == "done" and given_out:
            backlog.done(given_out.pop(0))
        elif step in ("park", "back") and given_out:
            row = given_out.pop()
            waiting[row.command_id] = row
            (backlog.park if step == "park" else backlog.put_back)(row)
        elif step == "wake":
            backlog.wake()
        elif step == "later":
            now_us += 1
        elif step == "expired":
            due = {each.command_id for each in waiting.values() if _is_due(each, now_us)}
            row = backlog.take_expired(now_us)
            assert (row.command_id in due) if row else not due
            if row:
                given_out.append(waiting.pop(row.command_id))
    assert len(backlog) == len(waiting) + len(given_out)


def _is_due(row, now_us):
    return row.valid_until_us is not None and row.valid_until_us <= now_us


def test_backlog_tells_that_another_modify_waits_for_the_lane_until_it_is_free():
    backlog = filled(modify(1), modify(3, target="command-9"))
    assert take_all(backlog) == [modify(1), modify(3, target="command-9")]
    assert not backlog.is_awaited(modify(1))
    backlog.add(modify(2))
    assert backlog.take() is None
    assert backlog.is_awaited(modify(1))
    assert not backlog.is_awaited(modify(3, target="command-9"))
    backlog.put_back(modify(1))
    assert not backlog.is_awaited(modify(1))
