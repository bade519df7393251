import struct

import numpy as np
import pytest

from enrich.kernels.bits import bits_of, float_of
from enrich.kernels.jit import compiled


@compiled
def there_and_back(value: float) -> tuple[np.uint64, float]:
    bits = bits_of(value)
    return bits, float_of(bits)


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, -1.5, 5e-324, 1.7e308, np.inf, -np.inf])
def test_bits_of_a_double_are_those_of_its_encoding(value: float) -> None:
    bits, back = there_and_back(value)
    assert int(bits) == struct.unpack("<Q", struct.pack("<d", value))[0]
    assert struct.pack("<d", back) == struct.pack("<d", value)
