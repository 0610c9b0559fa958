"""The simulated market: reproducible, extendable, and one truth at every interval."""

from datetime import UTC, datetime

import numpy as np
import pytest

from mlsignal.candles import VALUE_COLUMNS, Candles, Interval
from mlsignal.errors import ConfigurationError
from mlsignal.sim import Market
from mlsignal.sim.source import MarketSource

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT", "NULLUSDT")


def _same(left: Candles, right: Candles) -> bool:
    columns = [(left.open_time_ms, right.open_time_ms)]
    columns += [(left.column(name), right.column(name)) for name in VALUE_COLUMNS]
    return all(np.array_equal(a, b) for a, b in columns)


def test_market_names_its_symbols(market):
    assert market.symbols == SYMBOLS
    info = market.symbol_info("BTCUSDT")
    assert (info.base, info.quote, info.tick_size, info.lot_step) == ("BTC", "USDT", 0.01, 0.00001)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_candles_of_one_seed_are_the_same_in_any_order_of_asking(market, symbol):
    again = Market(seed=7)
    again.candles("SOLUSDT", "1h", 3)
    assert _same(again.candles(symbol, "1m", 9000), market.candles(symbol, "1m", 9000))
    assert not _same(Market(seed=8).candles(symbol, "1m", 9000), market.candles(symbol, "1m", 9000))


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("interval", ["1s", "1m", "15m", "1h"])
def test_candles_of_fewer_are_a_prefix_of_those_of_more(symbol, interval):
    few, more = (Market(seed=3).candles(symbol, interval, n) for n in (150, 400))
    assert _same(few, more[:150])
    growing = Market(seed=3)
    for n in (1, 150, 400):
        assert _same(growing.candles(symbol, interval, n), more[:n])


def test_oracle_of_fewer_is_a_prefix_of_that_of_more():
    few, more = (Market(seed=3).oracle("BTCUSDT", "1m", n) for n in (4000, 9000))
    assert np.array_equal(few, more[:4000])


@pytest.mark.parametrize("symbol", SYMBOLS)
@pytest.mark.parametrize("interval", ["1s", "1m", "1h"])
def test_candles_keep_every_rule(market, symbol, interval):
    candles = market.candles(symbol, interval, 9000 if interval != "1h" else 300)
    Candles.from_polars(candles.to_polars(), symbol, interval)  # validates
    info = market.symbol_info(symbol)
    for prices in (candles.open, candles.high, candles.low, candles.close):
        ticks = np.rint(prices / info.tick_size)
        expected = [round(tick * info.tick_size, info.price_decimals) for tick in ticks.tolist()]
        assert prices.tolist() == expected
    assert np.all(candles.taker_buy_base <= candles.volume)
    assert np.all(candles.taker_buy_quote <= candles.quote_volume)
    assert np.array_equal(candles.trades == 0, candles.volume == 0)
    traded = candles.volume > 0
    mean_price = candles.quote_volume[traded] / candles.volume[traded]
    assert np.all(mean_price <= candles.high[traded] * (1 + 1e-12))
    assert np.all(mean_price >= candles.low[traded] * (1 - 1e-12))
    assert np.array_equal(candles.open[1:], candles.close[:-1])
    assert candles.gaps == ()


@pytest.mark.parametrize("interval", ["3m", "15m", "1h", "1d", "3d", "1w", "1M"])
@pytest.mark.parametrize("symbol", ["BTCUSDT", "NULLUSDT"])
def test_longer_candles_add_up_from_minutes(symbol, interval):
    market = Market(seed=5, start=datetime(2024, 2, 14, 3, 17, tzinfo=UTC))  # in mid-period of all of them
    longer = market.candles(symbol, interval, 3)
    parsed = Interval.parse(interval)
    end_ms = parsed.next(int(longer.open_time_ms[-1]))
    minutes = market.candles(symbol, "1m", (end_ms - market.start_ms) // 60_000)
    assert longer.open_time_ms[0] == parsed.floor(market.start_ms)
    owner = parsed.floor_array(minutes.open_time_ms)
    for row, open_time_ms in enumerate(longer.open_time_ms):
        inside = owner == open_time_ms
        assert longer.open[row] == minutes.open[inside][0]
        assert longer.close[row] == minutes.close[inside][-1]
        assert longer.high[row] == minutes.high[inside].max()
        assert longer.low[row] == minutes.low[inside].min()
        for name in VALUE_COLUMNS[4:]:
            assert longer.column(name)[row] == pytest.approx(minutes.column(name)[inside].sum(), rel=1e-12)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_minutes_add_up_from_seconds_exactly(market, symbol):
    seconds = market.table(symbol, Interval.S1, 4000 * 60, 4200 * 60)  # across blocks
    minutes = market.table(symbol, Interval.M1, 4000, 4200)
    merged = seconds.merge(np.arange(0, 200 * 60, 60), minutes.open_time_ms)
    for name in (
        "open",
        "high",
        "low",
        "close",
        "volume",
        "quote_volume",
        "trades",
        "taker_buy_base",
        "taker_buy_quote",
    ):
        assert np.array_equal(getattr(merged, name), getattr(minutes, name)), name
    moved = seconds.open != seconds.close
    assert np.all(seconds.trades[moved] >= 2)
    assert np.array_equal(seconds.trades == 0, seconds.volume == 0)
    assert np.all(seconds.taker_buy_base <= seconds.volume)


def test_seconds_of_a_part_are_those_of_the_whole(market):
    whole = market.table("ETHUSDT", Interval.S1, 0, 600)
    part = market.table("ETHUSDT", Interval.S1, 95, 130)
    assert np.array_equal(whole.close[95:130], part.close)
    assert len(market.table("ETHUSDT", Interval.S1, 95, 90)) == 0


def test_candles_none_are_empty(market):
    for interval in ("1s", "1m", "1M"):
        assert len(market.candles("BTCUSDT", interval, 0)) == 0
    assert market.oracle("BTCUSDT", "1m", 0).shape == (0,)


def test_oracle_of_the_null_symbol_is_half_at_every_interval(market):
    for interval in Interval:
        assert market.oracle("NULLUSDT", interval, 7).tolist() == [0.5] * 7


def test_oracle_of_planted_symbols_is_refused_beyond_minutes(market):
    with pytest.raises(ConfigurationError, match="known at 1m, not at 15m"):
        market.oracle("BTCUSDT", "15m", 10)


def test_oracle_of_followers_is_that_of_the_leader_diluted(market):
    lead, follower = (market.oracle(symbol, "1m", 5000) for symbol in ("BTCUSDT", "ETHUSDT"))
    assert follower == pytest.approx(0.88 * lead + 0.12 * 0.5, abs=1e-15)
    assert lead[0] == follower[0] == 0.5


def test_signal_strength_zero_plants_nothing():
    assert np.all(Market(seed=1, signal_strength=0).oracle("BTCUSDT", "1m", 5000) == 0.5)


def test_market_documents_its_plant(market):
    assert market.plant.features == ("rsi14", "bollinger_percent_b")
    assert market.plant.centre == (50.0, 0.5)
    assert market.plant.coefficients == pytest.approx((-0.0344, 0.584))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"start": datetime(2024, 1, 1)}, "time zone"),  # noqa: DTZ001 - the naive time is what is refused
        ({"start": datetime(2024, 1, 1, 0, 0, 30, tzinfo=UTC)}, "whole minute"),
        ({"signal_strength": 3}, "signal_strength"),
    ],
)
def test_market_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        Market(**arguments)


def test_market_unknown_names_are_refused_with_a_hint(market):
    with pytest.raises(ConfigurationError, match="Did you mean 'BTCUSDT'"):
        market.candles("BTCUSD", "1m", 1)
    with pytest.raises(ConfigurationError, match="interval"):
        market.candles("BTCUSDT", "1minute", 1)
    with pytest.raises(ConfigurationError, match="n: a whole number"):
        market.candles("BTCUSDT", "1m", -1)


def test_market_source_refuses_more_candles_than_memory_holds():
    with pytest.raises(ConfigurationError, match="at most 20,000,000 candles"):
        MarketSource(Market(1)).fetch("BTCUSDT", Interval.M1, limit=20_000_001)
