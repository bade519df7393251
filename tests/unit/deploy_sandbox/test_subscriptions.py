"""What a socket's commands do to what it watches."""

import json

import pytest

from deploy.sandbox.subscriptions import LIMIT_TEXT, Subscriptions


def command(action: str, value: object) -> str:
    return json.dumps({"a": action, "v": value})


def test_bare_subscription_is_in_quote_mode_and_asks_for_a_snapshot() -> None:
    found = Subscriptions("strict")
    assert found.apply(command("subscribe", [1, 2])).tokens == (1, 2)
    assert found.modes == {1: "quote", 2: "quote"}


def test_subscription_given_twice_keeps_its_mode() -> None:
    found = Subscriptions("strict")
    found.apply(command("subscribe", [1]))
    found.apply(command("mode", ["full", [1]]))
    found.apply(command("subscribe", [1, 1]))
    assert found.modes == {1: "full"}


def test_subscription_accepts_compact_json_and_tokens_as_text() -> None:
    found = Subscriptions("strict")
    found.apply('{"a":"subscribe","v":["408065",884737]}')
    assert set(found.modes) == {408065, 884737}


def test_mode_without_subscription_is_ignored_in_the_strict_profile() -> None:
    found = Subscriptions("strict")
    assert found.apply(command("mode", ["full", [7]])).tokens == ()
    assert found.modes == {}


def test_mode_without_subscription_subscribes_in_the_lenient_profile() -> None:
    found = Subscriptions("lenient")
    assert found.apply(command("mode", ["full", [7]])).tokens == (7,)
    assert found.modes == {7: "full"}


def test_subscription_beyond_three_thousand_keeps_the_first_and_says_so() -> None:
    found = Subscriptions("strict")
    reply = found.apply(command("subscribe", list(range(1, 3002))))
    assert reply.error == LIMIT_TEXT.format(3_000)
    assert len(found.modes) == 3000
    assert 3001 not in found.modes
    assert len(reply.tokens) == 3000


def test_unsubscription_makes_room_again() -> None:
    found = Subscriptions("strict")
    found.apply(command("subscribe", list(range(1, 3001))))
    found.apply(command("unsubscribe", [1]))
    assert found.apply(command("subscribe", [5000])).error == ""


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "3",
        '{"a":"dance","v":[1]}',
        '{"a":"mode","v":["loud",[1]]}',
        '{"a":"mode","v":3}',
    ],
)
def test_anything_else_changes_nothing_and_is_answered_with_an_error(text: str) -> None:
    found = Subscriptions("lenient")
    assert found.apply(text).error
    assert found.modes == {}
