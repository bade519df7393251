"""How the broker cuts an order above the freeze quantity into slices."""

from __future__ import annotations

from deploy.sandbox.refusals import bad_input

#: Source: kite.trade/docs/connect/v3/orders, autoslice (read 2026-11).
SLICES_MAX = 10
SLICES_MIN = 2


def slice_quantities(quantity: int, freeze_quantity: int, lot_size: int) -> tuple[int, ...]:
    """Return the quantities of the slices, the rest in the last one.

    Raises:
        KiteRejected: the order is below two slices, or above the most there may be.
    """
    largest = freeze_quantity // lot_size * lot_size
    if quantity < SLICES_MIN * largest:
        raise bad_input(
            f"Quantity should be greater than or equal to {SLICES_MIN * largest} for order slicing."
        )
    whole, rest = divmod(quantity, largest)
    slices = (largest,) * whole + ((rest,) if rest else ())
    if len(slices) > SLICES_MAX:
        raise bad_input(f"Order slicing allows {SLICES_MAX} slices; this order needs more.")
    return slices
