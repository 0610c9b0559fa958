"""Candles for tests: seeded markets of every awkward kind, and Hypothesis strategies over them."""

import numpy as np
from hypothesis import strategies as st

from mlsignal.candles import Candles, Interval


def make_candles(
    n: int = 1_000,
    *,
    seed: int = 0,
    volatility: float = 1e-3,
    price: float = 30_000.0,
    tick: float = 0.01,
    gaps: tuple[int, ...] = (),
    interval: Interval = Interval.M1,
) -> Candles:
    """A random walk on a tick lattice; `gaps` are positions before which candles are absent."""
    rng = np.random.default_rng(seed)
    close = price * np.exp(np.cumsum(rng.standard_t(4, n) * volatility))
    open_ = np.append(price, close[:-1])
    reach = np.abs(rng.normal(0, volatility, (2, n))) * close
    open_, close = (np.maximum(np.round(values / tick), 1) * tick for values in (open_, close))
    high = np.maximum(open_, close) + np.round(reach[0] / tick) * tick
    low = np.maximum(np.minimum(open_, close) - np.round(reach[1] / tick) * tick, tick / 2)
    volume = rng.lognormal(2, 1, n)
    buy = volume * rng.beta(5, 5, n)
    values = {
        "open": open_,
        "high": high,
        "low": low,
        "close": close,
        "volume": volume,
        "quote_volume": volume * close,
        "trades": np.ceil(volume * 10),
        "taker_buy_base": buy,
        "taker_buy_quote": buy * close,
    }
    steps = np.ones(n, dtype=np.int64)
    steps[list(gaps)] = 1 + rng.integers(1, 90, len(gaps))
    first = interval.floor(1_672_531_200_000)
    open_time_ms = interval.next_array(np.full(n, first), 0) + (np.cumsum(steps) - 1) * interval.milliseconds
    return Candles("TESTUSDT", interval, open_time_ms, values)


def with_values(candles: Candles, **columns: np.ndarray) -> Candles:
    """The same candles with some columns replaced."""
    values = {name: columns.get(name, candles.column(name)) for name in candles.columns}
    return Candles(candles.symbol, candles.interval, candles.open_time_ms, values)


def constant(candles: Candles, rows: slice) -> Candles:
    """A halted market: price stands still, nothing is traded."""
    price = float(candles.close[rows][0])
    columns = {name: candles.column(name).copy() for name in candles.columns}
    for name, column in columns.items():
        column[rows] = price if name in ("open", "high", "low", "close") else 0.0
    return with_values(candles, **columns)


def spiked(candles: Candles, position: int, factor: float = 1_000.0) -> Candles:
    """One candle whose high and close are `factor` times too high."""
    high, close = candles.high.copy(), candles.close.copy()
    high[position] *= factor
    close[position] *= factor
    return with_values(candles, high=np.maximum(high, close), close=close)


def awkward_markets(n: int = 1_000, seed: int = 0) -> dict[str, Candles]:
    """The markets on which every feature must keep its contract."""
    plain = make_candles(n, seed=seed)
    return {
        "random": plain,
        "gapped": make_candles(n, seed=seed, gaps=(3, 4, n // 2, n // 2 + 40, n - 2)),
        "constant": constant(plain, slice(0, n)),
        "flat_stretch": constant(plain, slice(n // 3, 2 * n // 3)),
        "zero_volume": with_values(plain, volume=np.zeros(n), taker_buy_base=np.zeros(n)),
        "spike_up": spiked(plain, n // 3),
        "spike_down": spiked(plain, n // 3, 1e-3),
        "tiny_price": make_candles(n, seed=seed, price=1e-5, tick=1e-8),
        "coarse_ticks": make_candles(n, seed=seed, price=1.0, tick=1e-3),
        "single": plain[:1],
    }


@st.composite
def candles_strategy(draw: st.DrawFn, max_size: int = 700) -> Candles:
    """Candles with any of: gaps, flat stretches, spikes, coarse ticks."""
    n = draw(st.integers(1, max_size))
    gaps = tuple(sorted(draw(st.sets(st.integers(1, n - 1), max_size=4)))) if n > 1 else ()
    candles = make_candles(
        n,
        seed=draw(st.integers(0, 2**20)),
        price=draw(st.sampled_from([1e-4, 1.0, 30_000.0])),
        tick=draw(st.sampled_from([1e-6, 1e-2])),
        volatility=draw(st.sampled_from([1e-5, 1e-3, 3e-2])),
        gaps=gaps,
    )
    if draw(st.booleans()):
        first = draw(st.integers(0, n - 1))
        candles = constant(candles, slice(first, first + draw(st.integers(1, n))))
    if draw(st.booleans()):
        candles = spiked(candles, draw(st.integers(0, n - 1)), draw(st.sampled_from([1_000.0, 1e-3])))
    return candles
