import os
import subprocess
import sys

import numpy as np
import pytest

SCRIPT = """
import sys
import numpy as np
from enrich.kernels.columns import implied_vol_and_greeks

inputs = np.load(sys.argv[1])
results = np.empty((9, inputs.shape[1]))
status = np.empty(inputs.shape[1], dtype=np.uint8)
implied_vol_and_greeks(*inputs, results, status)
np.savez(sys.argv[2], results=results, status=status)
"""


@pytest.mark.slow
def test_kernels_as_plain_python_give_the_same_within_four_ulp(vectors, solve, tmp_path) -> None:
    inputs = np.array(vectors.inputs)[:, ::16]  # every region, block stages and single rows
    inputs[0, :6] = [0.0, -1.0, np.nan, np.inf, 1e-9, 1e9]
    np.save(tmp_path / "inputs.npy", inputs)
    subprocess.run(
        [
            sys.executable,
            "-W",
            "error",
            "-c",
            SCRIPT,
            tmp_path / "inputs.npy",
            tmp_path / "out.npz",
        ],
        env=os.environ | {"NUMBA_DISABLE_JIT": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        timeout=120,
    )
    plain = np.load(tmp_path / "out.npz")
    results, codes = solve(*inputs)
    assert np.array_equal(plain["status"], codes)
    assert plain["results"] == pytest.approx(results, rel=4 * 2.0**-52, abs=0.0, nan_ok=True)
