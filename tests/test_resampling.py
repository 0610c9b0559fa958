import numpy as np
import polars as pl
import pytest

from mlsignal.candles import Candles, Interval
from mlsignal.errors import ConfigurationError
from mlsignal.resampling import resample
from tests.strategies import make_candles


def stored(shared, name):
    symbol, interval = name.split("-")
    return Candles.from_polars(pl.read_parquet(shared / f"data/spot/{name}.parquet"), symbol, interval)


def between(candles, first, last):
    return candles[np.searchsorted(candles.open_time_ms, first) : np.searchsorted(candles.open_time_ms, last)]


@pytest.mark.parametrize("symbol", ["BTCUSDT", "ETHUSDT"])
@pytest.mark.parametrize("interval", ["15m", "1h"])
def test_resample_equals_the_exchanges_own_candles(symbol, interval, shared):
    minutes = stored(shared, f"{symbol}-1m")
    result = resample(minutes, interval, incomplete="keep")
    ours = result.candles
    theirs = between(stored(shared, f"{symbol}-{interval}"), ours.open_time_ms[0], int(ours.open_time_ms[-1]) + 1)
    assert np.array_equal(ours.open_time_ms, theirs.open_time_ms)
    assert (~result.complete).sum() <= 1, "the outage of 2023-03-24 has whole hours but one"
    for name in ("open", "high", "low", "close", "trades"):
        assert np.array_equal(ours.column(name), theirs.column(name)), name
    for name in ("volume", "quote_volume", "taker_buy_base", "taker_buy_quote"):
        periods = Interval.parse(interval).floor_array(minutes.open_time_ms)
        largest = np.maximum.reduceat(minutes.column(name), np.flatnonzero(np.diff(periods, prepend=-1)))
        told_apart = largest < 2**26
        assert told_apart.mean() > 0.99
        assert np.array_equal(ours.column(name)[told_apart], theirs.column(name)[told_apart]), name
        assert np.allclose(ours.column(name), theirs.column(name), rtol=1e-15, atol=0), name


def test_resample_hours_equal_the_exchanges_days(shared):
    ours = resample(stored(shared, "ETHUSDT-1h"), "1d", incomplete="keep").candles
    theirs = between(stored(shared, "ETHUSDT-1d"), ours.open_time_ms[0], int(ours.open_time_ms[-1]) + 1)
    for name in ours.columns:
        assert np.allclose(ours.column(name), theirs.column(name), rtol=1e-14, atol=0), name


@pytest.mark.parametrize("interval", [member for member in Interval if member.milliseconds > 60_000])
def test_resample_agrees_with_a_loop_on_any_interval(interval):
    candles = make_candles(30_000, gaps=(100, 101, 5_000, 20_000), interval=Interval.M15)
    if interval.milliseconds < Interval.M15.milliseconds:
        with pytest.raises(ConfigurationError):
            resample(candles, interval)
        return
    result = resample(candles, interval, incomplete="keep")
    periods = {}
    for position, time in enumerate(candles.open_time_ms.tolist()):
        periods.setdefault(interval.floor(time), []).append(position)
    assert result.candles.open_time_ms.tolist() == sorted(periods)
    for row, (opened, positions) in enumerate(sorted(periods.items())):
        assert result.candles.open[row] == candles.open[positions[0]]
        assert result.candles.close[row] == candles.close[positions[-1]]
        assert result.candles.high[row] == max(candles.high[positions])
        assert result.candles.low[row] == min(candles.low[positions])
        assert result.candles.volume[row] == pytest.approx(sum(candles.volume[positions]), abs=1e-8 * len(positions))
        assert result.complete[row] == (len(positions) == (interval.next(opened) - opened) // 900_000)


def test_resample_leaves_incomplete_periods_out_and_counts_them():
    candles = make_candles(600, gaps=(90,))
    kept, whole = (resample(candles, "1h", incomplete=option) for option in ("keep", "leave_out"))
    assert len(whole.candles) + whole.left_out == len(kept.candles)
    assert np.array_equal(whole.candles.open_time_ms, kept.candles.open_time_ms[kept.complete])
    assert whole.complete.all()
    assert len(resample(candles[:0], "1h").candles) == 0


def test_resample_weeks_open_on_mondays_and_make_no_months():
    hours = make_candles(24 * 70, interval=Interval.H1)
    weeks = resample(hours, "1w").candles
    assert {time.weekday() for time in weeks.to_polars()["open_time"].to_list()} == {0}
    months = resample(hours, "1M").candles
    assert {time.day for time in months.to_polars()["open_time"].to_list()} == {1}
    with pytest.raises(ConfigurationError, match="do not add up"):
        resample(weeks, "1M")
    with pytest.raises(ConfigurationError, match="incomplete"):
        resample(hours, "1d", incomplete="fill")
