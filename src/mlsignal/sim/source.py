"""A simulated market as a source of candles, without the exchange in between. SYNTHETIC."""

import polars as pl

from mlsignal.candles import Interval
from mlsignal.errors import ConfigurationError
from mlsignal.sim.market import Market

DEFAULT_CANDLES = 50_000
MOST_CANDLES = 20_000_000
"""At once: they are made in memory."""


class MarketSource:
    """The first candles of a simulated market; a `KlineSource`.

    Parameters
    ----------
    market
        Whose candles.
    """

    synthetic = True

    def __init__(self, market: Market) -> None:
        self.market = market

    @property
    def name(self) -> str:
        """What people are told."""
        return f"simulated market, seed {self.market.seed} (SYNTHETIC)"

    def fetch(
        self,
        symbol: str,
        interval: Interval,
        *,
        start_ms: int | None = None,
        end_ms: int | None = None,
        limit: int | None = None,
    ) -> pl.DataFrame:
        """Return the market's first `limit` candles (50,000 where none is given), within bounds of open time.

        Raises
        ------
        ConfigurationError
            If these are more than 20,000,000.
        """
        if limit is not None and limit > MOST_CANDLES:
            raise ConfigurationError(
                f"lookback_candles: a simulated market makes at most {MOST_CANDLES:,} candles at once, found {limit:,}"
            )
        candles = self.market.candles(symbol, interval, DEFAULT_CANDLES if limit is None else limit)
        frame = candles.to_polars()
        opens = pl.col("open_time").dt.epoch("ms")
        if start_ms is not None:
            frame = frame.filter(opens >= start_ms)
        if end_ms is not None:
            frame = frame.filter(opens <= end_ms)
        return frame


def market_of(argument: str) -> Market:
    """Read the SEED of ``sim:SEED``; none means 0.

    Raises
    ------
    ConfigurationError
        If it is not a whole number of at least 0.
    """
    if argument and not argument.isdecimal():
        raise ConfigurationError(f"source: sim takes a seed, as in sim:7, found {argument!r}")
    return Market(int(argument or 0))
