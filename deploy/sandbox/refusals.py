"""The broker's refusals, in its own words."""

from __future__ import annotations

from shared.errors import KiteRejected

BAD_REQUEST = 400
FORBIDDEN = 403
NOT_FOUND = 404
TOO_MANY_REQUESTS = 429
SERVER_ERROR = 500

TIMED_OUT_TEXT = (
    "Order request timed out. Please check the order book and confirm before placing again."
)
NO_PROTECTION_TEXT = (
    "Market orders without market protection are not allowed via API. "
    "Please set market protection or use a Limit order."
)


def bad_input(message: str) -> KiteRejected:
    """Return a refusal of a parameter."""
    return KiteRejected(message, error_type="InputException", status=BAD_REQUEST)


def bad_session() -> KiteRejected:
    """Return the refusal of a key or token that is not, or no longer, valid."""
    return KiteRejected(
        "Incorrect `api_key` or `access_token`.", error_type="TokenException", status=FORBIDDEN
    )


def too_many_requests() -> KiteRejected:
    """Return the gateway's refusal of a call above the rate per second."""
    return KiteRejected(
        "Too many requests", error_type="NetworkException", status=TOO_MANY_REQUESTS
    )


def too_many_orders() -> KiteRejected:
    """Return the refusal of an order above the minute's, the day's or its own limit."""
    return KiteRejected(
        "Maximum allowed order requests exceeded", error_type="OrderException", status=BAD_REQUEST
    )


def unknown_order() -> KiteRejected:
    """Return the refusal of an order id nobody placed."""
    return KiteRejected(
        "Couldn't find that `order_id`.", error_type="GeneralException", status=NOT_FOUND
    )


def being_processed() -> KiteRejected:
    """Return the refusal to touch an order that can no longer change."""
    return bad_input("Order cannot be modified as it is being processed. Try later.")


def not_enough_money(required: float, available: float) -> KiteRejected:
    """Return the refusal of an order the account's cash does not cover; both in rupees."""
    return KiteRejected(
        f"Insufficient funds. Required margin is {required:.2f} "
        f"but available margin is {available:.2f}.",
        error_type="MarginException",
        status=BAD_REQUEST,
    )


def unknown_trigger() -> KiteRejected:
    """Return the refusal of a trigger id that is not waiting."""
    return KiteRejected(
        "Couldn't find that `trigger_id`.", error_type="GeneralException", status=NOT_FOUND
    )


def funds_off() -> KiteRejected:
    """Return the refusal of a write of mutual funds, which the broker has switched off."""
    # The type is not known; nothing public says it.
    return KiteRejected(
        "Mutual fund orders are not available through the API.",
        error_type="GeneralException",
        status=FORBIDDEN,
    )
