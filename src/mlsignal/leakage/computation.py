"""Features computed in the ways that an audit compares, and when two of their values count as different."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Candles, Floats, utc
from mlsignal.errors import ConfigurationError
from mlsignal.features.feature import Feature, call, compute_features

Mask = npt.NDArray[np.bool_]

RELATIVE_TOLERANCE = 1e-9
PRICE_TOLERANCE = 1e-12
"""Absolute tolerance of values in price units, as a share of the close."""
ABSOLUTE_TOLERANCE = 1e-9
"""Absolute tolerance of all others."""


@dataclass(frozen=True, eq=False)
class Audited:
    """The features under audit, and their columns.

    Attributes
    ----------
    features
        In the order of the columns.
    """

    features: tuple[Feature, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(name for item in self.features for name in item.outputs)

    @cached_property
    def lookbacks(self) -> tuple[int, ...]:
        """Declared lookback of each column."""
        return tuple(lookback for item in self.features for lookback in item.lookbacks.values())

    @cached_property
    def in_price_units(self) -> Mask:
        """Whether each column is in price units."""
        return np.array([item.scale == "price" for item in self.features for _ in item.outputs], dtype=np.bool_)

    @property
    def longest(self) -> int:
        """Candles that all of the columns need."""
        return max(self.lookbacks, default=1)

    def through_engine(self, candles: Candles) -> Floats:
        """Compute as training does, in blocks; a feature that fails gives NaN. Shape (n_candles, n_columns)."""
        parts = []
        for item in self.features:
            try:
                with np.errstate(all="ignore"):
                    parts.append(compute_features(candles, [item]).values)
            except ConfigurationError:
                parts.append(np.full((len(candles), len(item.outputs)), np.nan))
        return np.column_stack(parts)

    def directly(self, segment: Candles) -> Floats:
        """Call every feature once on a whole gap-free stretch, warm-up masked; a feature that fails gives NaN.

        Returns
        -------
        array of float64, shape (n_candles, n_columns)
        """
        parts: list[Floats] = []
        for item in self.features:
            try:
                parts += outputs_of(item, segment)
            except ConfigurationError:
                parts += [np.full(len(segment), np.nan)] * len(item.outputs)
        values = np.column_stack(parts)
        for k, lookback in enumerate(self.lookbacks):
            values[: lookback - 1, k] = np.nan
        return values

    def wholes(self, candles: Candles, engine: Floats | None = None) -> "Wholes":
        """Compute on the whole series in both ways; errors of the features pass through.

        Parameters
        ----------
        candles
            At least one.
        engine
            What `compute_features` gave, where it is known already.
        """
        if engine is None:
            with np.errstate(all="ignore"):
                engine = compute_features(candles, self.features).values
        direct = np.concatenate([self.directly(segment) for segment in candles.segments()])
        return Wholes(engine, direct)

    def different(self, close: Floats, a: Floats, b: Floats) -> Mask:
        """Tell which values differ by more than rounding, or are NaN on one side only; shape as `a`.

        Parameters
        ----------
        close
            Closes of the rows, shape (n_rows,).
        a, b
            Shape (n_rows, n_columns).
        """
        floor = np.where(self.in_price_units, PRICE_TOLERANCE * close[:, None], ABSOLUTE_TOLERANCE)
        return different(a, b, floor)


def different(a: Floats, b: Floats, floor: Floats) -> Mask:
    """Tell which values differ by more than rounding, or are NaN on one side only; `floor` is absolute."""
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.abs(a - b) > RELATIVE_TOLERANCE * np.maximum(np.abs(a), np.abs(b)) + floor
        infinite = (np.isinf(a) | np.isinf(b)) & (a != b)
    return np.asarray(apart | infinite | (np.isnan(a) != np.isnan(b)), dtype=np.bool_)


def outputs_of(item: Feature, segment: Candles) -> Sequence[Floats]:
    """Call a feature's function; return its outputs in their declared order, each of shape (n_candles,).

    Raises
    ------
    ConfigurationError
        If the function fails, or returns another shape.
    """
    with np.errstate(all="ignore"):
        computed = call(item.name, item.compute, segment)
    results = computed if isinstance(computed, Mapping) else {item.name: computed}
    absent = [name for name in item.outputs if name not in results or np.shape(results[name]) != (len(segment),)]
    if absent:
        raise ConfigurationError(
            f"feature {item.name}: expected one value a candle, shape ({len(segment)},), of {', '.join(absent)}"
        )
    return [np.asarray(results[name], dtype=np.float64) for name in item.outputs]


@dataclass(frozen=True)
class Wholes:
    """Values on the whole series, as training computes them and called directly; shape (n_candles, n_columns)."""

    engine: Floats
    direct: Floats


def told_time(candles: Candles, row: int) -> str:
    """Write the open time of a candle."""
    return f"{utc(int(candles.open_time_ms[row])):%Y-%m-%d %H:%M:%S}"


def told_difference(a: float, b: float) -> str:
    """Write how far two values are apart.

    Examples
    --------
    >>> told_difference(2.0, 1.5), told_difference(float("nan"), 1.0)
    ('a difference of 0.5', 'NaN against 1')
    """
    if np.isnan(a) or np.isnan(b):
        return f"{'NaN' if np.isnan(a) else format(a, '.4g')} against {'NaN' if np.isnan(b) else format(b, '.4g')}"
    return f"a difference of {abs(a - b):.3g}"
