import re

import pytest
from llvmlite import binding
from numba import njit

from enrich.kernels import layout
from enrich.kernels.carry import carry_stage
from enrich.kernels.density import density_stage
from enrich.kernels.greeks import forward_rho_stage, greeks_stage, implied_vol_stage
from enrich.kernels.guess import guess_stage
from enrich.kernels.halley import halley_stage
from enrich.kernels.jit import JIT_OFF
from enrich.kernels.mills import mills_stage
from enrich.kernels.moneyness import moneyness_stage

STAGES = [
    carry_stage,
    moneyness_stage,
    guess_stage,
    mills_stage,
    density_stage,
    halley_stage,
    greeks_stage,
    implied_vol_stage,
    forward_rho_stage,
]
ARITHMETIC = r"\bv?(?:add|sub|mul|div|sqrt)"
FUSED = r"\bvf(?:n?m)(?:add|sub)\d*[ps]d\b"

pytestmark = [
    pytest.mark.skipif(JIT_OFF, reason="the compiler is switched off"),
    pytest.mark.skipif(
        not binding.get_host_cpu_features().get("avx2", False),
        reason="without AVX2 the compiler leaves the selects scalar",
    ),
]


@pytest.fixture(scope="module", params=STAGES, ids=lambda stage: stage.__name__)
def assembly(request) -> str:
    # What comes from the cache cannot be inspected, so the stage is compiled once more.
    stage = njit(error_model="numpy", nogil=True)(request.param.py_func)
    switches = (True,) if request.param is forward_rho_stage else ()
    stage(layout.new_scratch(), *switches)
    return "".join(stage.inspect_asm().values())


def test_stage_computes_in_whole_vectors_only(assembly: str) -> None:
    packed = re.findall(ARITHMETIC + r"pd\s.*%[yz]mm", assembly)
    scalar = re.findall(ARITHMETIC + r"sd\s.*", assembly)
    assert len(packed) >= 2
    assert scalar == []


def test_stage_contracts_nothing_so_its_bits_are_the_same_everywhere(assembly: str) -> None:
    assert re.findall(FUSED, assembly) == []


def test_check_notices_a_single_signed_index() -> None:
    @njit(error_model="numpy", nogil=True)
    def signed(scratch, start):
        for row in range(layout.BLOCK_ROWS):
            scratch[start + row] = scratch[start + row] * 1.5 + 0.25

    signed(layout.new_scratch(), 64)
    assert re.findall(ARITHMETIC + r"sd\s.*", "".join(signed.inspect_asm().values()))
