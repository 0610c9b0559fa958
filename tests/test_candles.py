"""Interval and Candles: the grid, the gaps, and what is refused."""

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlsignal.candles import Candles, Interval
from mlsignal.errors import CandleError, ConfigurationError, MissingColumnError
from tests.strategies import make_candles

EXCHANGE_INTERVALS = ["1s", "1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "8h", "12h", "1d", "3d", "1w", "1M"]
MOMENTS = st.integers(1_400_000_000_000, 2_000_000_000_000)


def ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def test_interval_has_all_of_the_exchange() -> None:
    assert [member.value for member in Interval] == EXCHANGE_INTERVALS


@pytest.mark.parametrize("text", ["1M", "1m"])
def test_interval_is_case_sensitive(text: str) -> None:
    assert Interval.parse(text).value == text


def test_interval_unknown_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigurationError, match=r"'15min' is not one .* Did you mean '15m'"):
        Interval.parse("15min")


@pytest.mark.parametrize(
    ("interval", "moment", "opens", "following"),
    [
        ("1w", "2024-02-29 12:00", "2024-02-26", "2024-03-04"),
        ("1M", "2024-02-29 12:00", "2024-02-01", "2024-03-01"),
        ("1M", "2023-12-31 23:59", "2023-12-01", "2024-01-01"),
        ("3d", "2017-08-17 12:00", "2017-08-16", "2017-08-19"),
        ("12h", "2024-02-29 12:00", "2024-02-29 12:00", "2024-03-01"),
    ],
)
def test_interval_floor_and_next(interval: str, moment: str, opens: str, following: str) -> None:
    member = Interval.parse(interval)
    assert member.floor(ms(moment)) == ms(opens)
    assert member.next(ms(opens)) == ms(following)
    assert member.next(ms(following), -1) == ms(opens)


@given(moment=MOMENTS, interval=st.sampled_from(list(Interval)), steps=st.integers(-30, 30))
def test_interval_grid_is_consistent(moment: int, interval: Interval, steps: int) -> None:
    opens = interval.floor(moment)
    assert opens <= moment < interval.next(opens)
    assert interval.floor(opens) == opens
    assert interval.next(interval.next(opens, steps), -steps) == opens
    assert interval.grid_size(opens, interval.next(opens, abs(steps))) == abs(steps) + 1


def test_candles_survive_a_round_trip_through_polars_and_pandas() -> None:
    candles = make_candles(50, gaps=(20,))
    through_polars = Candles.from_polars(candles.to_polars(), "TESTUSDT", "1m")
    through_pandas = Candles.from_pandas(candles.to_pandas(), "TESTUSDT", "1m")
    indexed = Candles.from_pandas(candles.to_pandas().set_index("open_time"), "TESTUSDT", "1m")
    for other in (through_polars, through_pandas, indexed):
        np.testing.assert_array_equal(other.open_time_ms, candles.open_time_ms)
        for name in candles.columns:
            np.testing.assert_array_equal(other.column(name), candles.column(name))


@pytest.mark.parametrize("zone", [None, "UTC", "America/New_York"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_candles_from_pandas_take_any_unit_and_zone(zone: str | None, unit: str) -> None:
    times = pd.date_range("2024-03-09 22:00", periods=5, freq="h", tz="UTC").as_unit(unit)  # across a DST change
    times = times.tz_localize(None) if zone is None else times.tz_convert(zone)
    frame = pd.DataFrame({"open_time": times, **{c: np.ones(5) for c in ("open", "high", "low", "close", "volume")}})
    candles = Candles.from_pandas(frame, "X", "1h")
    assert candles.start.isoformat() == "2024-03-09T22:00:00+00:00"
    assert not candles.gaps


def test_candles_know_their_gaps_and_segments() -> None:
    candles = make_candles(10)
    rows = np.array([0, 1, 2, 5, 6, 9])
    frame = candles.to_polars()[rows]
    gapped = Candles.from_polars(frame, "TESTUSDT", "1m")
    assert [(gap.missing, gap.first_missing.minute, gap.last_missing.minute) for gap in gapped.gaps] == [
        (2, 3, 4),
        (2, 7, 8),
    ]
    assert gapped.segment_bounds == [(0, 3), (3, 5), (5, 6)]
    assert gapped.segment_ids.tolist() == [0, 0, 0, 1, 1, 2]
    assert [len(segment) for segment in gapped.segments()] == [3, 2, 1]


def test_candles_of_months_have_no_gap_between_unequal_months() -> None:
    times = [datetime(2023 + m // 12, m % 12 + 1, 1, tzinfo=UTC) for m in range(14)]
    frame = pl.DataFrame({"open_time": times, **{c: [1.0] * 14 for c in ("open", "high", "low", "close", "volume")}})
    candles = Candles.from_polars(frame, "X", "1M")
    assert not candles.gaps
    assert candles.end.isoformat() == "2024-02-29T23:59:59.999000+00:00"


def test_candles_are_read_only() -> None:
    candles = Candles.from_polars(make_candles(5).to_polars(), "X", "1m")
    with pytest.raises(ValueError, match="read-only"):
        candles.close[0] = 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda f: f.reverse(), "does not increase"),
        (lambda f: pl.concat([f[:1], f]), "does not increase"),
        (lambda f: f.with_columns(pl.col("open_time").dt.offset_by("10s")), "off the grid"),
        (lambda f: f.with_columns(close=pl.lit(float("nan"))), "not a positive finite"),
        (lambda f: f.with_columns(close=pl.lit(-1.0)), "not a positive finite"),
        (lambda f: f.with_columns(high=pl.col("low") / 2), "high is below"),
        (lambda f: f.with_columns(low=pl.col("high") * 2, high=pl.col("high") * 3), "low is above"),
        (lambda f: f.with_columns(volume=pl.lit(-1.0)), "at least 0"),
        (lambda f: f.with_columns(taker_buy_base=pl.col("volume") * 2), "exceeds volume"),
        (lambda f: f.with_columns(close=pl.lit("x")), "not a number"),
        (lambda f: f.with_columns(open_time=pl.lit(5)), "must be a Datetime"),
    ],
)
def test_candles_that_cannot_be_are_refused(change, message: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(CandleError, match=message):
        Candles.from_polars(change(make_candles(10).to_polars()), "X", "1m")


def test_candles_without_a_column_are_refused_by_name() -> None:
    with pytest.raises(MissingColumnError, match="column volume expected"):
        Candles.from_polars(make_candles(3).to_polars().drop("volume"), "X", "1m")
    plain = Candles.from_polars(make_candles(3).to_polars().drop("trades"), "X", "1m")
    with pytest.raises(MissingColumnError, match="'trades' is not there"):
        _ = plain.trades


def test_candles_of_the_shared_file_have_the_outage_of_2023_03_24(shared) -> None:  # type: ignore[no-untyped-def]
    frame = pl.read_parquet(shared / "data/spot/BTCUSDT-1m.parquet")
    candles = Candles.from_polars(frame, "BTCUSDT", "1m")
    assert [(f"{gap.first_missing:%F %R}", f"{gap.last_missing:%F %R}", gap.missing) for gap in candles.gaps] == [
        ("2023-03-24 12:40", "2023-03-24 13:59", 80)
    ]
