import numpy as np
import pytest

from enrich.kernels import block, layout, status


def fill(scratch: block.Columns, inputs: list, rows: slice) -> int:
    count = len(inputs[0][rows])
    for column, values in zip(
        (
            block.PRICE,
            block.UNDERLYING,
            block.STRIKE,
            block.TIME_TO_EXPIRY,
            block.RATE,
            block.DIVIDEND_YIELD,
            block.OPTION_SIGN,
        ),
        inputs,
        strict=True,
    ):
        scratch[column : column + count] = values[rows]
    return count


def results_of(scratch: block.Columns) -> block.Columns:
    return scratch.reshape(block.COLUMNS, block.BLOCK_ROWS)[
        block.IMPLIED_VOL // block.BLOCK_ROWS :
    ][: block.RESULTS].copy()


def solved(inputs: list, rows: slice, *, forward_mode: bool = False):
    scratch = block.new_scratch()
    codes = np.full(block.BLOCK_ROWS, 99, dtype=np.uint8)
    count = fill(scratch, inputs, rows)
    block.solve_block(scratch, count, codes, forward_mode)
    return results_of(scratch)[:, :count], codes, scratch


def test_columns_do_not_overlap_and_fill_the_scratch() -> None:
    offsets = [
        value
        for name, value in vars(layout).items()
        if name.isupper()
        and isinstance(value, int)
        and name not in {"BLOCK_ROWS", "COLUMNS", "RESULTS"}
    ]
    assert len(set(offsets)) == len(offsets)
    assert all(offset % block.BLOCK_ROWS == 0 for offset in offsets)
    assert max(offsets) < block.new_scratch().size == block.BLOCK_ROWS * block.COLUMNS


def test_fresh_scratch_is_solved_without_complaint() -> None:
    codes = np.zeros(block.BLOCK_ROWS, dtype=np.uint8)
    block.solve_block(block.new_scratch(), 0, codes, forward_mode=False)
    assert not codes.any()


def test_inputs_survive_a_block(vectors) -> None:
    inputs = vectors.inputs
    _, _, scratch = solved(inputs, slice(0, 64))
    fresh = block.new_scratch()
    fill(fresh, inputs, slice(0, 64))
    assert np.array_equal(scratch[: block.IMPLIED_VOL], fresh[: block.IMPLIED_VOL])


def test_block_writes_a_status_for_its_rows_only(vectors) -> None:
    _, codes, _ = solved(vectors.inputs, slice(0, 10))
    assert not codes[:10].any()
    assert np.all(codes[10:] == 99)


def test_block_is_what_the_columns_entry_gives(vectors, solve) -> None:
    inputs = vectors.inputs
    expected, _ = solve(*inputs)
    results, _, _ = solved(inputs, slice(640, 700))
    assert np.array_equal(results, expected[:, 640:700])


def test_forward_mode_changes_nothing_but_rho(vectors) -> None:
    inputs = vectors.inputs
    rows = slice(600, 664)  # 24 of them on a future
    spot, _, _ = solved(inputs, rows)
    forward, _, _ = solved(inputs, rows, forward_mode=True)
    rho = block.RHO // block.BLOCK_ROWS - block.IMPLIED_VOL // block.BLOCK_ROWS
    others = [result for result in range(block.RESULTS) if result != rho]
    assert np.array_equal(spot[others], forward[others])
    discounting = -vectors["T"][rows] * vectors["price"][rows] / 100
    assert forward[rho] == pytest.approx(discounting, rel=4e-16, abs=0.0)


def test_forward_mode_keeps_rho_missing_where_nothing_was_solved(vectors) -> None:
    inputs = vectors.inputs
    inputs[0][7] = 0.0
    results, codes, _ = solved(inputs, slice(0, 64), forward_mode=True)
    assert codes[7] == status.NO_PRICE
    assert np.all(np.isnan(results[:, 7]))


def test_scratch_used_before_gives_the_same_numbers(vectors) -> None:
    inputs = vectors.inputs
    expected, _, _ = solved(inputs, slice(100, 120))
    scratch = block.new_scratch()
    scratch[:] = np.nan
    codes = np.empty(64, dtype=np.uint8)
    block.solve_block(scratch, fill(scratch, inputs, slice(100, 120)), codes, forward_mode=False)
    assert np.array_equal(results_of(scratch)[:, :20], expected)


def test_volatility_alone_is_that_of_the_whole(vectors) -> None:
    inputs = vectors.inputs
    expected, _, _ = solved(inputs, slice(0, 64))
    scratch = block.new_scratch()
    codes = np.empty(64, dtype=np.uint8)
    block.solve_block_vol(scratch, fill(scratch, inputs, slice(0, 64)), codes)
    assert results_of(scratch)[0] == pytest.approx(expected[0], rel=5e-16, abs=0.0)
