"""Candles for a job: from a file as they are, from an exchange through the store; cleaned either way."""

import logging
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

from mlsignal.candles import Candles, Interval, KlineSource
from mlsignal.cleaning import CleaningReport, clean
from mlsignal.config import Settings
from mlsignal.errors import TooFewCandlesError
from mlsignal.notes import NOTE
from mlsignal.sim.source import MarketSource, market_of
from mlsignal.sources.files import FileSource
from mlsignal.sources.registry import open_source, opened_source, source_scheme
from mlsignal.store.report import StoreReport
from mlsignal.store.store import Store, identify

logger = logging.getLogger(__name__)

OnCandles = Callable[[int, int], None]

__all__ = ["GatheredCandles", "OnCandles", "gather_candles", "open_source", "opened_source"]


@source_scheme("sim")
def _open_simulated_market(argument: str, settings: Settings, on_progress: OnCandles | None) -> KlineSource:
    del settings, on_progress
    return MarketSource(market_of(argument))


@dataclass(frozen=True)
class GatheredCandles:
    """Cleaned candles and where they came from.

    Attributes
    ----------
    candles
        Closed candles, ascending.
    cleaning
        What was set apart, and why.
    source
        Where they came from, for people.
    synthetic
        True where a simulated exchange made them.
    stored
        What the store had; None where no store was used.
    """

    candles: Candles
    cleaning: CleaningReport
    source: str
    synthetic: bool = False
    stored: StoreReport | None = None

    @property
    def stale_minutes(self) -> float | None:
        """Age of the newest candle, where the exchange could not be reached and older candles were asked to do."""
        return self.stored.age_minutes if self.stored is not None and self.stored.stale else None


def gather_candles(settings: Settings, *, on_progress: OnCandles | None = None) -> GatheredCandles:
    """Fetch, store and clean the newest `settings.lookback_candles` closed candles; where there are fewer, note it.

    Raises
    ------
    ConfigurationError
        If source, symbol or interval cannot be right.
    DataError
        If there are no candles, or a file is broken.
    ExchangeError
        If the exchange refuses or cannot be reached.
    OutputError
        If the store cannot be written.
    """
    interval = Interval.parse(settings.interval)
    stored: StoreReport | None = None
    with opened_source(settings.source, settings, on_progress=on_progress) as source:
        if isinstance(source, FileSource | MarketSource):
            raw = source.fetch(settings.symbol, interval, limit=settings.lookback_candles)
        else:
            identify(source)
            raw, stored = Store(settings.store).load(
                settings.symbol,
                interval,
                source,
                limit=settings.lookback_candles,
                max_age_minutes=settings.max_age_minutes,
                allow_stale=settings.allow_stale,
            )
        synthetic = bool(getattr(source, "synthetic", False))
        served = synthetic and not isinstance(source, MarketSource)
        name = "simulated exchange (SYNTHETIC)" if served else source.name
    return _cleaned(settings, interval, raw, name, synthetic, stored)


def _cleaned(
    settings: Settings, interval: Interval, raw: pl.DataFrame, name: str, synthetic: bool, stored: StoreReport | None
) -> GatheredCandles:
    if raw.is_empty():
        raise TooFewCandlesError(f"{settings.symbol} {interval.value}: no data; {name} has no closed candle of it")
    candles, report = clean(raw, settings.symbol, interval)
    if not len(candles):
        raise TooFewCandlesError(
            f"{settings.symbol} {interval.value}: no usable candle in the {raw.height} rows of {name} "
            f"({report.summary()})"
        )
    if raw.height < settings.lookback_candles:
        logger.log(
            NOTE,
            "%s candles were asked for (lookback_candles); %s gave %s, from %s UTC on",
            f"{settings.lookback_candles:,}",
            name,
            f"{raw.height:,}",
            f"{candles.start:%Y-%m-%d %H:%M}",
        )
    return GatheredCandles(candles, report, name, synthetic, stored)
