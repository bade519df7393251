"""Which instruments and products the account's owner lets be traded. Pure."""

from __future__ import annotations

from fnmatch import fnmatchcase

from executor.rules.risk import Risk
from shared.wire.orders import Reason


def refuse_scope(exchange: str, tradingsymbol: str, product: str, risk: Risk) -> Reason | None:
    """Return why an instrument or a product is not to be traded; none named allows every one."""
    if risk.products and product not in risk.products:
        return Reason(
            code="product_not_allowed",
            sentence=f"product is {product}, must be {_either(risk.products)}",
            field="product",
            measured=product,
            limit=_either(risk.products),
        )
    name = f"{exchange}:{tradingsymbol}"
    if not risk.instruments or any(fnmatchcase(name, each) for each in risk.instruments):
        return None
    return Reason(
        code="instrument_not_allowed",
        sentence=f"instrument is {name}, must be like {_either(risk.instruments)}",
        field="tradingsymbol",
        measured=name,
        limit=_either(risk.instruments),
    )


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(names)
