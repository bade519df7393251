import subprocess
import sys

from enrich.kernels import status


def test_status_codes_are_distinct_bytes() -> None:
    codes = [
        value
        for name, value in vars(status).items()
        if name.isupper() and not name.startswith("FLAG_")
    ]
    assert len(codes) == 10
    assert len(set(codes)) == len(codes)
    assert all(code.dtype == "uint8" for code in codes)


def test_status_flags_are_one_bit_each() -> None:
    flags = [int(value) for name, value in vars(status).items() if name.startswith("FLAG_")]
    assert sorted(flags) == [1 << bit for bit in range(8)]


def test_status_is_imported_without_the_compiler() -> None:
    check = "import sys, enrich.kernels.status; raise SystemExit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False, timeout=60).returncode == 0
