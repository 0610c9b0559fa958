"""From signals to positions: when each exposure is taken, and how long it is held."""

from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from mlsignal.candles import Candles, Floats, Times
from mlsignal.errors import ConfigurationError, TooFewCandlesError
from mlsignal.evaluation.costs import recent_volatility

Hold = Literal["signal", "flip", "horizon"]
Sizing = Literal["fixed", "volatility"]

TARGET_VOLATILITY = 0.4
"""Yearly volatility that `volatility` sizing aims at; that of BTCUSDT is mostly .4 to .8."""


def sign_targets(p_up: Floats) -> Floats:
    """Return the target of each probability of up: 1 above .5, -1 below, 0 at .5; NaN stays NaN; shape (n,).

    Examples
    --------
    >>> sign_targets(np.array([0.7, 0.5, 0.4, np.nan]))
    array([ 1.,  0., -1., nan])
    """
    return np.sign(p_up - 0.5)


@dataclass(frozen=True)
class Runs:
    """Stretches of candles over which one exposure is wanted, one after the other and without a break between them.

    Attributes
    ----------
    start
        First candle of each, at whose open it is taken, shape (n_runs,).
    target
        Wanted exposure: 1 all of the equity long, -1 short, 0 flat; shape (n_runs,).
    decided
        Candle at whose close it was decided, where `target` is not 0; shape (n_runs,).
    stop
        One past the last candle of the last run.
    """

    start: Times
    target: Floats
    decided: Times
    stop: int

    @property
    def length(self) -> Times:
        """Candles of each run, shape (n_runs,)."""
        return np.diff(self.start, append=self.stop)


def runs_of_signals(
    candles: Candles, position: Times, target: Floats, *, hold: Hold, horizon: int, latency_candles: int
) -> Runs:
    """Follow signals through the candles.

    Parameters
    ----------
    candles
        All candles.
    position
        Candles at whose close a signal is known, ascending, shape (n_signals,).
    target
        Wanted exposures in [-1, 1]; 0 and NaN want none, shape (n_signals,).
    hold
        How long a signal other than 0 rules, unless a newer one takes its place: "signal" for one candle, "horizon"
        for `horizon` candles, "flip" until an opposite one. Of one side, the newest decides the size.
    horizon
        Candles; only "horizon" looks at it.
    latency_candles
        Added to the candle after the signal, at whose open it could be filled first.

    Notes
    -----
    A signal of candle t is taken at the open of t + 1 + latency_candles, or not at all where a gap lies between. No
    position goes through a gap. The runs end with the last candle that a signal could rule.

    Raises
    ------
    ConfigurationError
        If the arguments contradict this.
    TooFewCandlesError
        If there is no signal, or no candle at which the first could be filled.
    """
    _validate(candles, position, target, hold, horizon)
    fill = position + (1 + latency_candles)
    if not len(fill) or fill[0] >= len(candles):
        raise TooFewCandlesError(
            f"backtest: a candle to fill the first of {len(fill)} signals at expected, found none; give more candles"
        )
    first = int(fill[0])
    stop = min(int(fill[-1]) + (horizon if hold == "horizon" else 1), len(candles))
    last: Times | int = stop
    speaks = np.logical_or(target > 0, target < 0)
    if len(candles.gap_starts):
        last = _segment_end(candles, position, stop)
        speaks &= fill < last
        last = last[speaks]
    elif fill[-1] >= stop:
        speaks &= fill < stop
    fill, target = fill[speaks], target[speaks]
    following = np.append(fill, stop)[1:]
    end = np.minimum(last, following)
    if hold != "flip":
        np.minimum(end, fill + (1 if hold == "signal" else horizon), out=end)
    opens = np.ones(len(fill), dtype=np.bool_)
    opens[1:] = (target[1:] != target[:-1]) | (end[:-1] < fill[1:])
    opened, closed = np.flatnonzero(opens), np.flatnonzero(end < following)
    begins_flat = not len(fill) or fill[0] > first
    start = np.concatenate([[first] if begins_flat else [], fill[opened], end[closed]]).astype(np.int64)
    order = np.argsort(start, kind="stable")
    flat = np.zeros(len(closed))
    wanted = np.concatenate([[0.0] if begins_flat else [], target[opened], flat])[order]
    start = start[order]
    return Runs(start, wanted, start - (1 + latency_candles), stop)


def sized(runs: Runs, candles: Candles, sizing: Sizing, target_volatility: float, largest: float) -> Floats:
    """Return the exposure of each run, shape (n_runs,).

    Parameters
    ----------
    runs
        With their wanted exposures.
    candles
        All candles.
    sizing
        "fixed" takes what is wanted; "volatility" scales it by target volatility / recent volatility, as known when it
        was decided, by at most `largest`.
    target_volatility
        Yearly, a fraction.
    largest
        Largest factor.

    Notes
    -----
    The size is chosen when the wanted exposure changes, and stays: following the volatility candle by candle would
    trade without end.

    Raises
    ------
    ConfigurationError
        If `sizing` is neither, or a number is not positive.
    """
    if sizing not in get_args(Sizing):
        raise ConfigurationError(f"sizing: expected {' or '.join(get_args(Sizing))}, found {sizing!r}")
    if not (target_volatility > 0 and largest > 0):
        raise ConfigurationError(
            f"sizing: positive target volatility and largest factor expected, found {target_volatility} and {largest}"
        )
    if sizing == "fixed":
        return runs.target
    yearly = recent_volatility(candles)[np.maximum(runs.decided, 0)] * candles.interval.per_year**0.5
    factor = target_volatility / np.maximum(yearly, target_volatility / largest)
    exposure: Floats = runs.target * factor
    return exposure


def _segment_end(candles: Candles, position: Times, stop: int) -> Times:
    """Return one past the last candle of the gap-free stretch of each signal, or `stop` where that comes first."""
    ends = np.append(candles.gap_starts, len(candles))
    own: Times = np.minimum(ends[np.searchsorted(candles.gap_starts, position, side="right")], stop)
    return own


def _validate(candles: Candles, position: Times, target: Floats, hold: str, horizon: int) -> None:
    if hold not in get_args(Hold):
        raise ConfigurationError(f"hold: expected {', '.join(get_args(Hold))}, found {hold!r}")
    if horizon < 1:
        raise ConfigurationError(f"horizon: expected at least 1 candle, found {horizon}")
    if position.shape != target.shape or position.ndim != 1:
        raise ConfigurationError(
            f"backtest: as many targets as positions expected, found {target.shape} and {position.shape}"
        )
    if not len(position):
        return
    if position[0] < 0 or position[-1] >= len(candles) or not (position[1:] > position[:-1]).all():
        raise ConfigurationError(f"backtest: positions expected to ascend within 0 and {len(candles) - 1}")
    if np.fmax.reduce(target) > 1 or np.fmin.reduce(target) < -1:
        raise ConfigurationError("backtest: targets expected within -1 and 1, or NaN")
