"""Candles of a longer interval from those of a shorter one, exactly as the exchange makes them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Candles, Floats, Interval, Times
from mlsignal.errors import ConfigurationError

_UNITS = 100_000_000  # the exchange's amounts have eight decimals
_EXACT_BELOW = 2**53


@dataclass(frozen=True)
class Resampled:
    """Candles of a longer interval, and which of them are whole."""

    candles: Candles
    """Closed candles, ascending; a period without any candle stays absent."""
    complete: npt.NDArray[np.bool_]
    """Of each candle, whether every candle of its period was there; shape (n_candles,)."""
    left_out: int
    """Incomplete periods that were left out."""


def resample(
    candles: Candles, interval: Interval | str, *, incomplete: Literal["leave_out", "keep"] = "leave_out"
) -> Resampled:
    """Make candles of a longer interval.

    Parameters
    ----------
    candles
        Of an interval that divides the longer one: minutes make everything, weeks make no months.
    interval
        The longer one.
    incomplete
        What becomes of periods of which candles are absent, the first and the last included: `leave_out`, or `keep`
        them and mark them in `complete`. The exchange itself keeps them.

    Raises
    ------
    ConfigurationError
        If the interval is not a multiple.

    Notes
    -----
    Open of the first, highest high, lowest low, close of the last, sums of the amounts; nothing is filled. Amounts
    are summed as whole numbers of 1e-8, as the exchange has them, and rounded once: sums equal its own to the last
    digit where every amount summed is below 2**26 (6.7e7). Above, float64 does not tell eight decimals apart.
    """
    longer = Interval.parse(interval)
    if incomplete not in ("leave_out", "keep"):
        raise ConfigurationError(f"incomplete: leave_out or keep expected, found {incomplete!r}")
    if not _divides(candles.interval, longer):
        raise ConfigurationError(
            f"interval: candles of {candles.interval.value} do not add up to those of {longer.value}"
        )
    periods = longer.floor_array(candles.open_time_ms)
    starts = np.flatnonzero(np.diff(periods, prepend=np.iinfo(np.int64).min))
    opens = periods[starts]
    values = {name: _aggregated(name, candles.column(name), starts) for name in candles.columns}
    counts = np.diff(np.append(starts, len(candles)))
    complete = counts == _expected(opens, candles.interval, longer)
    left_out = 0
    if incomplete == "leave_out":
        left_out = int((~complete).sum())
        opens, values = opens[complete], {name: column[complete] for name, column in values.items()}
        complete = complete[complete]
    for array in (opens, *values.values()):
        array.flags.writeable = False
    return Resampled(Candles(candles.symbol, longer, opens, values), complete, left_out)


def _divides(shorter: Interval, longer: Interval) -> bool:
    if longer is Interval.MONTH1:
        return shorter is longer or Interval.D1.milliseconds % shorter.milliseconds == 0
    if shorter is Interval.MONTH1 or longer.milliseconds % shorter.milliseconds:
        return False
    return longer is not Interval.W1 or shorter is longer or Interval.D1.milliseconds % shorter.milliseconds == 0


def _expected(opens: Times, shorter: Interval, longer: Interval) -> Times:
    """Return how many of the shorter candles each period has."""
    if shorter is longer:
        return np.ones(len(opens), dtype=np.int64)
    return (longer.next_array(opens) - opens) // shorter.milliseconds


def _aggregated(name: str, column: Floats, starts: Times) -> Floats:
    if not len(starts):
        return column[:0].copy()
    if name in ("open", "close"):
        edge: Floats = column[starts if name == "open" else np.append(starts[1:], len(column)) - 1]
        return edge
    if name in ("high", "low"):
        extreme: Floats = (np.maximum if name == "high" else np.minimum).reduceat(column, starts)
        return extreme
    return _sums(column, starts)


def _sums(column: Floats, starts: Times) -> Floats:
    """Return sums as if in decimals: whole and fractional parts apart, each exact."""
    whole = np.floor(column)
    units = np.rint((column - whole) * _UNITS).astype(np.int64)
    wholes = np.add.reduceat(whole.astype(np.int64), starts)
    fractions = np.add.reduceat(units, starts)
    wholes += fractions // _UNITS
    fractions %= _UNITS
    total = wholes * float(_UNITS) + fractions
    exact: Floats = total / _UNITS
    for place in np.flatnonzero(total >= _EXACT_BELOW).tolist():  # Python's whole numbers round once
        exact[place] = (int(wholes[place]) * _UNITS + int(fractions[place])) / _UNITS
    return exact
