import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsignal.candles import Candles, Interval
from mlsignal.cleaning import CONFLICT, NO_TIME, OFF_GRID, clean
from mlsignal.errors import CandleError, MissingColumnError

MINUTE = 60_000
T0 = 1_700_000_040_000


def raw(minutes, **columns):
    """Rows that open at these minutes after T0; a column given replaces the good one."""
    opens = [None if m is None else T0 + round(m * MINUTE) for m in minutes]
    n = len(opens)
    good = {
        "open": [10.0] * n,
        "high": [12.0] * n,
        "low": [9.0] * n,
        "close": [11.0 + (0 if m is None else m % 7 / 100) for m in minutes],
        "volume": [5.0] * n,
        "quote_volume": [50.0] * n,
    }
    closes = [None if t is None else t + MINUTE - 1 for t in opens]
    frame = pl.DataFrame(
        {"open_time": opens, **good, "close_time": closes, **columns},
        schema_overrides={"open_time": pl.Int64, "close_time": pl.Int64},
    )
    return frame.with_columns(pl.col("open_time", "close_time").cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"))


def minutes_of(candles):
    return ((candles.open_time_ms - T0) // MINUTE).tolist()


def test_clean_good_rows_are_kept_as_they_are():
    frame = raw(range(5))
    candles, report = clean(frame, "BTCUSDT", "1m")
    assert candles.to_polars().equals(Candles.from_polars(frame, "BTCUSDT", "1m").to_polars())
    assert report.summary() == "5 of 5 rows kept: nothing to complain of"
    assert report.rejected.is_empty()
    assert not candles.close.flags.writeable


def test_clean_identical_duplicates_are_dropped_and_counted():
    candles, report = clean(raw([0, 1, 1, 2, 2, 2]), "BTCUSDT", "1m")
    assert minutes_of(candles) == [0, 1, 2]
    assert (report.identical_duplicates, report.conflicting_duplicates, report.rejected.height) == (3, 0, 0)


def test_clean_conflicting_duplicates_keep_the_last_seen():
    frame = raw([0, 1, 1, 1, 2], close=[11.0, 11.1, 11.2, 11.1, 11.4])
    candles, report = clean(frame, "BTCUSDT", "1m")
    assert candles.close.tolist() == [11, 11.1, 11.4]
    assert (report.identical_duplicates, report.conflicting_duplicates) == (1, 1)
    assert report.rejected.select("close", "reason").rows() == [(11.2, CONFLICT)]


def test_clean_out_of_order_rows_are_sorted_and_counted():
    candles, report = clean(raw([0, 3, 1, 2, 4]), "BTCUSDT", "1m")
    assert minutes_of(candles) == [0, 1, 2, 3, 4]
    assert report.out_of_order == 2


@pytest.mark.parametrize("value", [float("nan"), None, float("inf"), -1.0, 0.0])
@pytest.mark.parametrize("column", ["open", "close"])
def test_clean_impossible_prices_are_set_apart(column, value):
    frame = raw(range(3), **{column: pl.Series([11.0, value, 11.0], dtype=pl.Float64)})
    candles, report = clean(frame, "BTCUSDT", "1m")
    assert minutes_of(candles) == [0, 2]
    assert sum(report.impossible.values()) == 1
    assert report.rejected["open_time"].to_list() == [frame["open_time"][1]]
    assert [gap.missing for gap in report.gaps] == [1]


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        ("high", 10.5, "high is below"),
        ("low", 10.5, "low is above"),
        ("volume", -1.0, "an amount"),
        ("quote_volume", float("nan"), "an amount"),
    ],
)
def test_clean_impossible_rows_name_the_rule(column, value, reason):
    good = raw(range(2))[column].to_list()
    _, report = clean(raw(range(2), **{column: [good[0], value]}), "BTCUSDT", "1m")
    assert report.rejected["reason"].to_list()[0].startswith(reason)
    assert report.impossible == {report.rejected["reason"][0]: 1}


def test_clean_impossible_row_never_replaces_a_possible_one():
    candles, report = clean(raw([0, 1, 1], close=[11, 11, -5]), "BTCUSDT", "1m")
    assert candles.close.tolist() == [11, 11]
    assert report.conflicting_duplicates == 0


def test_clean_rows_off_the_grid_or_without_a_time_are_set_apart():
    candles, report = clean(raw([0, 1, 1.4, None, 2]), "BTCUSDT", "1m")
    assert minutes_of(candles) == [0, 1, 2]
    assert (report.off_grid, report.missing_times, report.impossible) == (1, 1, {})
    assert set(report.rejected["reason"]) == {OFF_GRID, NO_TIME}


def test_clean_shifted_hours_after_an_outage_are_set_apart_and_successor_kept():
    """2018-02-09: hourly candles open at HH:28:14.789, and the last overlaps its regular successor."""
    frame = raw([0, 60, 60 + 28.2465, 120]).drop("close_time")
    hour = Interval.H1.milliseconds
    frame = frame.with_columns(open_time=pl.col("open_time").dt.offset_by(f"{hour - T0 % hour}ms"))
    candles, report = clean(frame, "BTCUSDT", "1h")
    assert (len(candles), report.off_grid) == (3, 1)


def test_clean_irregular_close_times_and_silent_candles_are_kept_and_counted():
    frame = raw(range(6), volume=[1.0, 0, 0, 3, 0, 2])
    frame = frame.with_columns(
        close_time=pl.when(pl.int_range(6) == 2).then(pl.col("close_time").dt.offset_by("-9s")).otherwise("close_time")
    )
    candles, report = clean(frame, "BTCUSDT", "1m")
    assert len(candles) == 6
    assert (report.irregular_close_times, report.zero_volume) == (1, 3)
    assert (report.zero_volume_runs, report.longest_zero_volume_run) == (2, 2)


def test_clean_gaps_are_recorded_and_nothing_is_filled():
    candles, report = clean(raw([0, 1, 5, 6, 9]), "BTCUSDT", "1m")
    assert minutes_of(candles) == [0, 1, 5, 6, 9]
    assert [gap.missing for gap in report.gaps] == [3, 2]
    assert report.missing_candles == 5
    assert "2 gaps (5 candles absent)" in report.summary()


def test_clean_nothing_left_gives_empty_candles():
    for frame in (raw([]), raw([0], close=[-1.0])):
        candles, report = clean(frame, "BTCUSDT", "1m")
        assert (len(candles), report.kept, report.gaps) == (0, 0, ())
        assert report.summary()


def test_clean_report_is_json():
    _, report = clean(raw([0, 0, 3, 2.5, 1], close=[1.0, 2, 11, 11, 11]), "BTCUSDT", "1m")
    told = json.loads(json.dumps(report.to_dict()))
    assert (told["rows"], told["rejected"], told["off_grid"]) == (5, 3, 1)
    assert told["gaps"] == [] or told["gaps"][0]["missing"] > 0
    assert "\n" not in report.summary()


def test_clean_frames_that_are_no_candles_are_refused():
    with pytest.raises(MissingColumnError, match="volume"):
        clean(raw([0]).drop("volume"), "BTCUSDT", "1m")
    with pytest.raises(CandleError, match="Datetime"):
        clean(raw([0]).with_columns(open_time=1), "BTCUSDT", "1m")
    with pytest.raises(CandleError, match="not a number"):
        clean(raw([0], close=["eleven"]), "BTCUSDT", "1m")


_times = st.one_of(st.none(), st.integers(0, 12), st.floats(0, 12, allow_nan=False, width=16))
_close = st.one_of(st.floats(9, 12), st.sampled_from([float("nan"), float("inf"), -1.0, 0.0, 99.0]))


@given(st.lists(st.tuples(_times, _close), max_size=25))
def test_clean_any_rows_are_kept_dropped_or_set_apart_and_the_kept_are_valid(rows):
    frame = raw([time for time, _ in rows], close=pl.Series([close for _, close in rows], dtype=pl.Float64))
    before = frame.clone()
    candles, report = clean(frame, "BTCUSDT", "1m")
    assert frame.equals(before)
    assert len(candles) + report.identical_duplicates + report.rejected.height == frame.height
    again = Candles.from_polars(candles.to_polars(), "BTCUSDT", "1m")
    assert again.open_time_ms.tolist() == candles.open_time_ms.tolist()
    known = set(zip(frame["open_time"].dt.epoch("ms"), frame["close"], strict=True))
    assert set(zip(candles.open_time_ms.tolist(), candles.close.tolist(), strict=True)) <= known
    _, second = clean(candles.to_polars(), "BTCUSDT", "1m")
    assert (second.kept, second.rejected.height, second.out_of_order) == (len(candles), 0, 0)


def test_clean_real_outage_is_found(shared):
    frame = pl.read_parquet(shared / "data/spot/BTCUSDT-1m.parquet")
    candles, report = clean(frame, "BTCUSDT", "1m")
    assert len(candles) == frame.height
    assert [gap.missing for gap in report.gaps] == [80]
    assert (report.zero_volume, report.zero_volume_runs) == (72, 1)
    assert np.array_equal(candles.close, frame["close"].to_numpy())
