from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import (
    KiteError,
    KiteOutcomeUnknown,
    KiteRejected,
    KiteSessionExpired,
    KiteThrottled,
    KiteUnavailable,
)
from shared.kite import translate
from shared.kite.refusals import REFUSALS, Refusal
from shared.kite.rest import Answer, Request

WRITE = Request("POST", "/orders/regular")
READ = Request("GET", "/orders", changes=False)
JSON = "application/json"
TIMED_OUT = "Order request timed out. Please check the order book and confirm before placing again."


def answer(status: int, body: Any, content_type: str = JSON, retry_after: str = "") -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(status, content_type, raw, retry_after)


def error(status: int, error_type: str, message: str = "no") -> Answer:
    return answer(status, {"status": "error", "message": message, "error_type": error_type})


def outcome_of_write(found: Answer) -> KiteError:
    with pytest.raises(KiteError) as caught:
        translate.written(WRITE, found)
    return caught.value


def outcome_of_read(found: Answer) -> KiteError:
    with pytest.raises(KiteError) as caught:
        translate.read(READ, found)
    return caught.value


def test_written_with_success_returns_the_data_untouched() -> None:
    found = answer(200, b'{"status": "success", "data": {"order_id" : "15"}}')
    assert translate.written(WRITE, found) == b'{"order_id" : "15"}'


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda entry: f"{entry.code}-{entry.error_type}")
def test_written_with_every_sample_of_the_list_is_refused_by_its_own_entry(
    refusal: Refusal,
) -> None:
    found = outcome_of_write(answer(refusal.status, refusal.sample.encode()))
    assert isinstance(found, KiteRejected)
    assert (found.error_type, found.status) == (refusal.error_type, refusal.status)
    assert translate.refusal_code(found) == refusal.code


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda entry: f"{entry.code}-{entry.error_type}")
def test_refusal_names_its_source_and_the_day_it_was_read(refusal: Refusal) -> None:
    assert refusal.source
    assert refusal.read_on.startswith("20")


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda entry: f"{entry.code}-{entry.error_type}")
def test_written_with_a_sample_under_another_status_is_unknown(refusal: Refusal) -> None:
    for status in (200, 401, 500, 502, 503, 504):
        found = outcome_of_write(answer(status, refusal.sample.encode()))
        assert isinstance(found, KiteOutcomeUnknown)


def test_written_with_dead_token_is_session_expired() -> None:
    found = outcome_of_write(error(403, "TokenException", "Incorrect `api_key`."))
    assert type(found) is KiteSessionExpired


@pytest.mark.parametrize("error_type", ["InputException", "MarginException", "HoldingException"])
def test_written_with_a_refusal_that_speaks_of_a_timeout_is_unknown(error_type: str) -> None:
    assert isinstance(outcome_of_write(error(400, error_type, TIMED_OUT)), KiteOutcomeUnknown)


@pytest.mark.parametrize(
    ("status", "error_type"),
    [
        (400, "OrderException"),
        (400, "GeneralException"),
        (400, "NetworkException"),
        (400, "SomethingNew"),
        (400, ""),
        (401, "TokenException"),
        (404, "GeneralException"),
        (428, "HoldingException"),
        (500, "OrderException"),
        (500, "InputException"),
        (502, "DataException"),
        (503, "NetworkException"),
        (504, "NetworkException"),
        (200, "InputException"),
    ],
)
def test_written_with_anything_not_on_the_list_is_unknown(status: int, error_type: str) -> None:
    assert isinstance(outcome_of_write(error(status, error_type)), KiteOutcomeUnknown)


@pytest.mark.parametrize(
    "found",
    [
        answer(502, b"<html>Bad gateway</html>", "text/html"),
        answer(400, b"<html>Bad request</html>", "text/html"),
        answer(429, b"<html>Slow down</html>", "text/html"),
        answer(200, b"<html>", "text/html"),
        answer(200, b"", JSON),
        answer(200, b'{"status": "success", "data": {', JSON),
        answer(200, b"[]", JSON),
        answer(200, b"\xff\xfe", JSON),
        answer(200, {"data": {"order_id": "1"}}),
        answer(201, {"status": "success", "data": {"order_id": "1"}}),
        answer(307, b"", ""),
    ],
    ids=lambda found: f"{found.status} {found.body[:20]!r}",
)
def test_written_without_kites_own_word_is_unknown(found: Answer) -> None:
    assert isinstance(outcome_of_write(found), KiteOutcomeUnknown)


@pytest.mark.parametrize(
    ("retry_after", "pause_s"), [("", 1.0), ("7", 7.0), ("0", 1.0), ("99999", 60.0), ("soon", 1.0)]
)
def test_written_with_kites_429_is_throttled_for_a_believable_time(
    retry_after: str, pause_s: float
) -> None:
    body = {"status": "error", "message": "Too many requests", "error_type": "NetworkException"}
    found = outcome_of_write(answer(429, body, retry_after=retry_after))
    assert isinstance(found, KiteThrottled)
    assert found.retry_after_s == pause_s


@given(
    st.integers(100, 599),
    st.sampled_from(["", JSON, "text/html", "text/csv"]),
    st.binary(max_size=60)
    | st.builds(
        lambda *parts: json.dumps(dict(zip(("status", "data", "error_type"), parts, strict=True))),
        st.sampled_from(["success", "error", "", None, 1]),
        st.sampled_from([None, 1, "x", {"order_id": "1"}, []]),
        st.sampled_from([None, "", "InputException", "X", 3, {}]),
    ).map(str.encode),
)
def test_written_with_any_answer_returns_or_raises_from_the_tree(
    status: int, content_type: str, body: bytes
) -> None:
    for judge, request in ((translate.written, WRITE), (translate.read, READ)):
        try:
            judge(request, Answer(status, content_type, body))
        except KiteError:
            continue
        assert status == 200


def test_read_with_success_returns_the_data_untouched() -> None:
    assert translate.read(READ, answer(200, b'{"status":"success","data":[1 ]}')) == b"[1 ]"


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (error(403, "TokenException"), KiteSessionExpired),
        (error(403, "PermissionException"), KiteRejected),
        (error(400, "InputException"), KiteRejected),
        (error(404, "GeneralException"), KiteRejected),
        (error(429, "NetworkException"), KiteThrottled),
        (answer(429, b"<html>", "text/html"), KiteThrottled),
        (error(500, "GeneralException"), KiteUnavailable),
        (error(503, "NetworkException"), KiteUnavailable),
        (answer(502, b"<html>", "text/html"), KiteUnavailable),
        (answer(404, b"<html>", "text/html"), KiteUnavailable),
        (answer(200, b"{", JSON), KiteUnavailable),
    ],
)
def test_read_with_a_failure_raises_what_it_forces(found: Answer, kind: type[KiteError]) -> None:
    assert type(outcome_of_read(found)) is kind


def test_read_csv_takes_only_csv() -> None:
    found = Answer(200, "text/csv; charset=utf-8", b"a,b\n")
    assert translate.read_csv(READ, found) == b"a,b\n"
    with pytest.raises(KiteUnavailable):
        translate.read_csv(READ, answer(200, {"status": "success", "data": 1}))
    with pytest.raises(KiteSessionExpired):
        translate.read_csv(READ, error(403, "TokenException"))
