from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.rules.lifecycle import AT_REST, MOVES, UNSENT, Step, advance, is_open
from shared.errors import IllegalTransition
from shared.wire.orders import State

KINDS = ("place", "modify", "cancel")
ANSWERS = (Step.ACCEPT, Step.REJECT, Step.NOT_SENT, Step.LOSE)
SEEN = (
    Step.SEEN_ENTERING,
    Step.SEEN_OPEN,
    Step.SEEN_COMPLETE,
    Step.SEEN_CANCELLED,
    Step.SEEN_REJECTED,
)


def test_lifecycle_lost_after_sending_becomes_unknown():
    assert advance("place", State.SENDING, Step.LOSE) is State.UNKNOWN


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("state", [each for each in State if each not in UNSENT])
def test_lifecycle_what_has_been_sent_is_never_sent_again_without_proof(kind, state):
    with pytest.raises(IllegalTransition):
        advance(kind, state, Step.SEND)


@pytest.mark.parametrize("kind", KINDS)
def test_lifecycle_only_proof_of_nothing_leads_from_sent_back_to_unsent(kind):
    back = {
        (before, step)
        for (before, step), after in MOVES[kind].items()
        if after in UNSENT and before not in UNSENT
    }
    expected = {(State.SENDING, Step.NOT_SENT)}
    if kind == "cancel":
        expected.add((State.UNKNOWN, Step.REISSUE))
    assert back == expected


@pytest.mark.parametrize("state", [State.UNKNOWN, State.MANUAL, State.REJECTED])
def test_lifecycle_row_of_the_broker_corrects_what_was_believed(state):
    assert advance("place", state, Step.SEEN_OPEN) is State.OPEN


@pytest.mark.parametrize("state", [State.ACCEPTED, State.OPEN, State.COMPLETE, State.CANCELLED])
@pytest.mark.parametrize("answer", ANSWERS)
def test_lifecycle_answer_after_the_row_changes_nothing(state, answer):
    assert advance("place", state, answer) is state


@pytest.mark.parametrize("step", SEEN)
def test_lifecycle_complete_stays_complete_whatever_is_seen(step):
    assert advance("place", State.COMPLETE, step) is State.COMPLETE


def test_lifecycle_open_order_does_not_go_back_to_entering():
    assert advance("place", State.OPEN, Step.SEEN_ENTERING) is State.OPEN


@pytest.mark.parametrize(
    ("step", "state"),
    [
        (Step.SEEN_CANCELLED, State.CANCELLED),
        (Step.SEEN_COMPLETE, State.REJECTED),
        (Step.SEEN_REJECTED, State.REJECTED),
    ],
)
def test_lifecycle_accepted_cancel_ends_as_its_order_does(step, state):
    assert advance("cancel", State.ACCEPTED, step) is state


def test_lifecycle_modify_is_at_rest_once_the_broker_took_it():
    assert not is_open("modify", State.ACCEPTED)
    assert is_open("place", State.ACCEPTED)


@pytest.mark.parametrize("kind", KINDS)
def test_lifecycle_every_open_state_that_can_be_reached_can_be_left(kind):
    reached = {State.RECEIVED} | set(MOVES[kind].values())
    for state in reached - AT_REST[kind]:
        ends = {after for (before, _), after in MOVES[kind].items() if before is state}
        assert ends - {state}, state


@given(kind=st.sampled_from(KINDS), steps=st.lists(st.sampled_from(list(Step)), max_size=30))
def test_lifecycle_never_leaves_its_table_nor_sends_twice_without_proof(kind, steps):
    state, sends = State.RECEIVED, 0
    for step in steps:
        try:
            after = advance(kind, state, step)
        except IllegalTransition:
            continue
        if step is Step.SEND:
            sends += 1
        if state is State.SENDING and step is Step.NOT_SENT:
            sends -= 1
        if kind == "cancel" and step is Step.REISSUE:
            sends -= 1
        state = after
        assert sends <= 1
    assert state in State
