from __future__ import annotations

import pytest

from shared.streams.line import COPY_BYTES_MAX, packed


def test_words_of_every_kind_are_packed_as_redis_reads_them() -> None:
    pieces, count = packed([["XADD", b"s", memoryview(b"ab"), 17], [bytearray(b"PING")]])
    assert count == 2
    assert b"".join(pieces) == (
        b"*4\r\n$4\r\nXADD\r\n$1\r\ns\r\n$2\r\nab\r\n$2\r\n17\r\n*1\r\n$4\r\nPING\r\n"
    )


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_long_word_goes_out_without_a_copy(kind) -> None:
    long = bytes(COPY_BYTES_MAX + 1)
    pieces, _ = packed([["XADD", kind(long), "x"]])
    assert b"".join(pieces) == (
        b"*3\r\n$4\r\nXADD\r\n$%d\r\n" % len(long) + long + b"\r\n$1\r\nx\r\n"
    )
    assert isinstance(pieces[1], memoryview)


def test_word_counts_in_bytes_not_in_characters() -> None:
    pieces, _ = packed([["é"]])
    assert b"".join(pieces) == b"*1\r\n$2\r\n\xc3\xa9\r\n"
