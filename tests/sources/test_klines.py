import json
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsignal.candles import VALUE_COLUMNS
from mlsignal.sources.klines import (
    FRAME_COLUMNS,
    KLINE_COLUMNS,
    KlineFormatError,
    KlineSchemaError,
    empty_klines,
    klines_from_csv,
    klines_from_json,
    normalise,
)

T0 = 1_700_000_040_000
ROW = [T0, "1.5", "2", "1", "1.7", "3", T0 + 59_999, "5", 4, "1", "2", "0"]
LINE = ",".join(str(value) for value in ROW)


def page(*rows):
    return json.dumps(rows, separators=(",", ":")).encode()


_decimal = st.decimals(0, 10**9, places=8, allow_nan=False).map(lambda d: f"{d:.8f}")
_row = st.builds(
    lambda t, five, rest: [T0 + t * 60_000, *five, T0 + t * 60_000 + 59_999, rest[0], 7, rest[1], rest[2], "0"],
    st.integers(0, 10**6),
    st.lists(_decimal, min_size=5, max_size=5),
    st.lists(_decimal, min_size=3, max_size=3),
)


@given(st.lists(st.lists(_row, max_size=4), max_size=4), st.booleans())
def test_json_pages_give_exactly_what_python_reads(pages, spaced):
    bodies = [json.dumps(rows, indent=1).encode() if spaced else page(*rows) for rows in pages]
    frame = klines_from_json(bodies)
    rows = [row for rows in pages for row in rows]
    assert frame.schema == empty_klines().schema
    for position, name in enumerate(KLINE_COLUMNS[:-1]):
        column = frame[name].dt.epoch("ms") if name.endswith("time") else frame[name]
        assert column.to_list() == [float(row[position]) for row in rows]


def test_json_values_that_are_no_numbers_are_left_for_cleaning():
    frame = klines_from_json(page([*ROW[:1], "NaN", "inf", "-1", None, *ROW[5:]]))
    assert np.isnan(frame["open"][0])
    assert frame["high"][0] == float("inf")
    assert frame["low"][0] == -1
    assert np.isnan(frame["close"][0])


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (page(ROW, ROW)[:-30], "truncated or invalid JSON"),
        (page(ROW, ROW)[:-1], "truncated or invalid JSON"),
        (b"<!DOCTYPE html><html>" + b"x" * 5000, "HTML"),
        (b"", "an empty answer"),
        (b"\xff\xfe\x00", "invalid JSON"),
        (page([T0, "abc", *ROW[2:]]), "abc"),
    ],
)
def test_json_unreadable_is_named_and_quoted_briefly(body, what):
    with pytest.raises(KlineFormatError, match=what) as caught:
        klines_from_json(body)
    assert len(str(caught.value)) < 350


@pytest.mark.parametrize("width", [1, 11, 13, 24])
@pytest.mark.parametrize("others", [0, 1, 3])
def test_json_row_of_another_width_is_a_schema_error(width, others):
    with pytest.raises(KlineSchemaError, match=f"12 columns expected in every kline, found {width}"):
        klines_from_json(page(*[ROW] * others, (ROW * 2)[:width]))


def test_json_rows_whose_widths_make_up_for_each_other_are_a_schema_error():
    with pytest.raises(KlineSchemaError, match="found 11 in row 0"):
        klines_from_json(page(ROW[:11], [*ROW, "0"]))


@pytest.mark.parametrize("body", [b'{"code":-1121,"msg":"Invalid symbol."}', b"[1,2]", b'"x"'])
def test_json_other_than_rows_is_a_schema_error(body):
    with pytest.raises(KlineSchemaError, match="an array of klines expected"):
        klines_from_json(body)


def test_json_recorded_answer_is_read(shared):
    body = (shared / "fixtures/nautilus/http_spot_market_klines.json").read_bytes()
    frame = klines_from_json(body)
    rows = json.loads(body)
    assert frame.height == len(rows)
    assert frame["close"].to_list() == [float(row[4]) for row in rows]
    assert frame["trades"].to_list() == [row[8] for row in rows]


@pytest.mark.parametrize(("factor", "close_end"), [(1_000, 999), (1, 0), (1_000_000, 999_999)])
def test_csv_times_are_normalised_by_magnitude(factor, close_end):
    line = ",".join([str(T0 * factor), *ROW[1:6], str((T0 + 59_999) * factor + close_end), *map(str, ROW[7:])])
    frame = klines_from_csv(line.encode())
    assert frame["open_time"].dt.epoch("ms").item() == T0
    assert frame["close_time"].dt.epoch("ms").item() == T0 + 59_999
    assert klines_from_csv(f"{T0 // 1000},1,1,1,1,1".encode())["open_time"].dt.epoch("ms").item() == T0


def test_csv_rows_read_the_same_beside_rows_of_another_unit_or_with_a_gap():
    row = "1700000040000,1,2,1,1.5,3,1700000099999,5,4,1,2,0\n"
    odd = "1700000100000000,1,2,1,1.5,,1700000159999999,5,4,1,2,0\n"
    alone, beside = klines_from_csv(row.encode()), klines_from_csv((row + odd).encode())
    assert beside.head(1).equals(alone)
    assert beside["open_time"].dt.epoch("ms").to_list() == [1_700_000_040_000, 1_700_000_100_000]
    assert math.isnan(beside["volume"][1])


@pytest.mark.parametrize(
    "header",
    [
        "open_time,open,high,low,close,volume,close_time,quote_volume,count,taker_buy_volume,taker_buy_quote_volume,ignore",
        "Open time,Open,High,Low,Close,Volume,Close time,Quote asset volume,Number of trades,"
        "Taker buy base asset volume,Taker buy quote asset volume,Ignore",
    ],
)
def test_csv_header_is_sniffed(header):
    with_header = klines_from_csv(f"{header}\n{LINE}\n".encode())
    assert with_header.equals(klines_from_csv(LINE.encode()))
    assert with_header.columns == list(FRAME_COLUMNS)


@pytest.mark.parametrize(
    "time", ["2023-11-14T22:14:00Z", "2023-11-14 22:14:00", "2023-11-14 22:14:00+00:00", "1700000040"]
)
def test_csv_times_in_words_are_read_as_utc(time):
    frame = klines_from_csv(f"timestamp,open,high,low,close,volume\n{time},1,1,1,1,1\n".encode())
    assert frame["open_time"].dt.epoch("ms").item() == T0
    assert frame.columns == ["open_time", "open", "high", "low", "close", "volume"]


@pytest.mark.parametrize(
    ("content", "error", "what"),
    [
        (b"", KlineFormatError, "empty"),
        (b"1,2,3\n", KlineSchemaError, "found 3"),
        (b"a,b\n1,2\n", KlineSchemaError, "open_time, open"),
        (b"time,date,open,high,low,close,volume\n1,1,1,1,1,1,1\n", KlineSchemaError, "time, date could all be"),
        (LINE.encode() + b"\n1700000100000,1,2\n", KlineSchemaError, "fewer in row 1"),
        (LINE.encode() + b"\n" + LINE.encode() + b",9\n", KlineSchemaError, "found more"),
        (LINE.encode().replace(b"1.5", b"abc"), KlineFormatError, "abc"),
        (b"time,open,high,low,close,volume\nnoon,1,1,1,1,1\n", KlineFormatError, "noon"),
    ],
)
def test_csv_broken_is_one_line(content, error, what):
    with pytest.raises(error, match=what) as caught:
        klines_from_csv(content)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "times",
    [
        pl.Series([T0], dtype=pl.Int64),
        pl.Series([T0 * 1000], dtype=pl.UInt64),
        pl.Series([T0]).cast(pl.Datetime("ms")),
        pl.Series([T0 * 1_000_000]).cast(pl.Datetime("ns", "UTC")),
        pl.Series([T0 * 1000]).cast(pl.Datetime("us", "UTC")).dt.convert_time_zone("Asia/Tokyo"),
    ],
    ids=str,
)
def test_normalise_time_of_any_unit_and_zone_is_milliseconds_utc(times):
    frame = pl.DataFrame({"open_time": times, **{name: [1] for name in VALUE_COLUMNS}}).with_columns(other=pl.lit("x"))
    result = normalise(frame.lazy()).collect()
    assert result.schema["open_time"] == pl.Datetime("ms", "UTC")
    assert result["open_time"].dt.epoch("ms").item() == T0
    assert result.columns == ["open_time", *VALUE_COLUMNS]
