"""Arrays handed to compiled code as addresses, where to hand over each costs more than the work."""

from __future__ import annotations

from typing import Any

from numba.core import cgutils, types
from numba.extending import intrinsic


def _pointer(_typing: Any, address: Any) -> Any:
    def generate(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], cgutils.voidptr_t)

    return types.voidptr(address), generate


#: An int64 as the pointer that `numba.carray` takes; whoever calls keeps the array alive.
pointer: Any = intrinsic(_pointer)
