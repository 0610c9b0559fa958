import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsignal.sources.digits import parse_rows

T0 = 1_700_000_040_000
ROW = [T0, *["1.50000000"] * 5, T0 + 59_999, "5.00000000", 4, "1.00000000", "2.00000000", "0"]

_decimal = st.tuples(st.integers(0, 90_000_000), st.integers(0, 99_999_999)).map(lambda p: f"{p[0]}.{p[1]:08d}")
_row = st.builds(
    lambda t, decimals, trades: [t, *decimals[:5], t + 59_999, decimals[5], trades, *decimals[6:], "0"],
    st.integers(10**12, 10**13 - 60_000),
    st.lists(_decimal, min_size=8, max_size=8),
    st.integers(0, 99_999_999),
)


def text(rows):
    return json.dumps(rows, separators=(",", ":")).encode()[2:-2]


@given(st.lists(_row, min_size=1, max_size=6))
def test_digits_usual_rows_are_read_to_the_last_bit(rows):
    times, decimals, trades = parse_rows(text(rows))
    assert times.tolist() == [[row[0] for row in rows], [row[6] for row in rows]]
    expected = [[float(row[position]) for row in rows] for position in (1, 2, 3, 4, 5, 7, 9, 10)]
    assert decimals.tolist() == expected
    assert trades.tolist() == [row[8] for row in rows]


@pytest.mark.parametrize(
    ("position", "value"),
    [
        *((0, time) for time in (1, -T0, T0 * 1_000, str(T0))),
        *(
            (1, price)
            for price in (
                "1.5",
                "1",
                "-1.50000000",
                "NaN",
                "12345678x.00000000",
                "1x3456789.00000000",
                "12345678901234567.00000000",
                ".50000000",
                "1.5000000x",
                1.5,
            )
        ),
        *((1, price) for price in ("1,50000000", "1.50000000]", "", None, "1e100000000", "1:50000000", "1/.00000000")),
        *((8, trades) for trades in (-1, 1.5, "4", 123_456_789, None)),
        (6, 0),
        (11, "0,0"),
    ],
)
def test_digits_unusual_row_is_left_to_the_slow_way(position, value):
    rows = [list(ROW) for _ in range(3)]
    rows[1][position] = value
    assert parse_rows(text(rows)) is None


@pytest.mark.parametrize("large", ["90071992.54740993", "123456789.12345678", "1234567890123456.12345678"])
def test_digits_few_large_values_are_read_to_the_last_bit_and_many_left(large):
    rows = [list(ROW) for _ in range(100)]
    rows[7][7] = large
    assert parse_rows(text(rows))[1][5].tolist() == [float(row[7]) for row in rows]
    assert parse_rows(text([[*ROW[:7], large, *ROW[8:]]] * 5)) is None


@given(st.binary(max_size=300) | st.text('0123456789",.[]-', max_size=600).map(str.encode))
def test_digits_any_bytes_are_read_or_refused(rows):
    assert parse_rows(rows) is None or rows


@given(st.integers(0, 800), st.integers(0, 255))
def test_digits_one_byte_changed_is_refused_or_a_digit(position, value):
    rows = bytearray(text([ROW] * 5))
    at = position % len(rows)
    was, rows[at] = rows[at], value
    parsed = parse_rows(bytes(rows))
    if parsed is None:
        return
    ignored = any(
        text([ROW] * 5)[start:].startswith(b'"0"') and start <= at < start + 3 for start in range(at - 2, at + 1)
    )
    assert value == was or ignored or (chr(was).isdigit() and chr(value).isdigit())
    assert np.isfinite(parsed[1]).all()
