"""What a feature is: a pure function of its last `lookback` candles, and the engine that computes many of them.

One definition serves training, backtest and live signals. Whatever a feature returns for candle t must follow from the
candles t-lookback+1..t alone; `tests/contracts` and `mlsignal audit` hold every feature to that.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
import polars as pl

from mlsignal.candles import Candles, Floats, Interval
from mlsignal.errors import ConfigurationError, MissingColumnError

Computed = Floats | Mapping[str, Floats]
Compute = Callable[[Candles], Computed]
Scale = Literal["price", "dimensionless", "volume"]

BLOCK_ROWS = 16_000
"""Rows computed at a time: their columns stay in the processor's cache, which halves the time of whole arrays."""


@dataclass(frozen=True, eq=False)
class Feature:
    """A named function of candles with a declared, finite memory.

    Attributes
    ----------
    name
        The function's name; also the column's, where it returns one array.
    compute
        Takes the candles of one gap-free segment; returns an array of shape (n_candles,), or a mapping name -> array.
    memory
        Candles needed, the current one included; or a mapping output -> candles.
    declared_outputs
        Names of the columns, where `memory` does not give them and they were declared.
    columns
        Candle columns that are read; their absence is an error that names this feature.
    scale
        What the values are in: decides the absolute tolerance of the batch = live contract.
    parameters
        Periods and the like, recorded in the manifest of an exported model.
    """

    name: str
    compute: Compute
    memory: int | Mapping[str, int]
    declared_outputs: tuple[str, ...] | None = None
    columns: tuple[str, ...] = ()
    scale: Scale = "dimensionless"
    parameters: Mapping[str, float] = field(default_factory=dict)

    @cached_property
    def lookbacks(self) -> Mapping[str, int]:
        """Candles needed for each output, the current one included; earlier rows of a segment are NaN."""
        if isinstance(self.memory, Mapping):
            return self.memory
        outputs = self.declared_outputs
        if outputs is None:  # learn from a trial on made-up candles what the function returns
            trial = call(self.name, self.compute, _trial_candles(self.memory + 2))
            outputs = tuple(trial) if isinstance(trial, Mapping) else (self.name,)
        return dict.fromkeys(outputs, self.memory)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the columns it gives."""
        return tuple(self.lookbacks)

    @property
    def lookback(self) -> int:
        """Candles needed for all outputs, the current one included."""
        return max(self.lookbacks.values())

    def __call__(self, candles: Candles) -> Computed:
        """Compute on candles without gaps, as written: no warm-up is masked."""
        return self.compute(candles)

    def describe(self) -> dict[str, Any]:
        """Return what identifies the feature in a manifest."""
        return {
            "name": self.name,
            "lookbacks": dict(self.lookbacks),
            "columns": list(self.columns),
            "parameters": dict(self.parameters),
        }


@overload
def feature(function: Compute, /) -> Feature: ...


@overload
def feature(
    *,
    lookback: int | Mapping[str, int],
    outputs: Sequence[str] | None = None,
    columns: Sequence[str] = (),
    scale: Scale = "dimensionless",
    params: Mapping[str, float] | None = None,
) -> Callable[[Compute], Feature]: ...


def feature(
    function: Compute | None = None,
    /,
    *,
    lookback: int | Mapping[str, int] | None = None,
    outputs: Sequence[str] | None = None,
    columns: Sequence[str] = (),
    scale: Scale = "dimensionless",
    params: Mapping[str, float] | None = None,
) -> Feature | Callable[[Compute], Feature]:
    """Make a feature of a function of candles.

    Parameters
    ----------
    lookback
        Candles needed, the current one included; or a mapping output -> candles for a function of several outputs.
    outputs
        Names of the columns of a function that returns a mapping; where neither this nor a mapping `lookback`
        names them, a trial on a few made-up candles finds them.
    columns
        Candle columns beyond open, high, low, close and volume that the function reads (`taker_buy_base`, ...).
    scale
        "price", "volume" or "dimensionless".
    params
        Numbers that define the feature, for the manifest.

    Raises
    ------
    ConfigurationError
        If `lookback` is missing or below 1.

    Examples
    --------
    >>> @feature(lookback=2)
    ... def momentum(candles):
    ...     return np.append(np.nan, candles.close[1:] / candles.close[:-1] - 1)
    >>> momentum.lookback, momentum.outputs
    (2, ('momentum',))
    """
    if function is not None or lookback is None:
        raise ConfigurationError("feature: declare the memory, as in @feature(lookback=20)")

    for longest in lookback.values() if isinstance(lookback, Mapping) else [lookback]:
        if longest < 1:
            raise ConfigurationError(
                f"feature: lookback must be a whole number of candles, at least 1, found {longest!r}"
            )

    def decorate(compute: Compute) -> Feature:
        names = None if outputs is None else tuple(outputs)
        return Feature(compute.__name__, compute, lookback, names, tuple(columns), scale, dict(params or {}))

    return decorate


def _trial_candles(n: int) -> Candles:
    """Make up a few candles on which to learn what a function returns."""
    close = 100.0 + np.sin(np.arange(n))
    values = {"open": close, "high": close + 1, "low": close - 1, "close": close, "volume": np.ones(n)}
    flow = {
        "quote_volume": close,
        "trades": np.ones(n),
        "taker_buy_base": np.full(n, 0.5),
        "taker_buy_quote": close / 2,
    }
    return Candles("TRIAL", Interval.M1, np.arange(n, dtype=np.int64) * 60_000, values | flow)


def call(name: str, compute: Compute, candles: Candles) -> Computed:
    """Call a feature's function; turn whatever goes wrong in it into one error that names the feature.

    Raises
    ------
    MissingColumnError
        If the candles lack a column that it reads.
    ConfigurationError
        If it fails in any other way.
    """
    try:
        return compute(candles)
    except MissingColumnError as error:
        raise MissingColumnError(f"feature {name}: {error}") from None
    except Exception as error:
        raise ConfigurationError(f"feature {name} failed: {type(error).__name__}: {error}") from error


@dataclass(frozen=True)
class FeatureFrame:
    """Features of each candle, known at its close.

    Attributes
    ----------
    candles
        What they were computed from; row t of `values` belongs to candle t.
    names
        Column names.
    values
        float64, shape (n_candles, n_features), NaN in the warm-up of each gap-free segment.
    lookback
        Candles that all of them need, the current one included.
    """

    candles: Candles
    names: tuple[str, ...]
    values: Floats
    lookback: int

    @property
    def past_warm_up(self) -> npt.NDArray[np.bool_]:
        """Whether the longest lookback lies within each candle's gap-free segment, shape (n_candles,)."""
        past = np.ones(len(self.candles), dtype=np.bool_)
        for start, stop in self.candles.segment_bounds:
            past[start : min(stop, start + self.lookback - 1)] = False
        return past

    def column(self, name: str) -> Floats:
        """Return one feature, shape (n_candles,)."""
        return self.values[:, self.names.index(name)]

    def to_polars(self) -> pl.DataFrame:
        """Return symbol, open_time, close_time and the features, NaN in the warm-up."""
        times = self.candles.to_polars().select(pl.lit(self.candles.symbol).alias("symbol"), "open_time", "close_time")
        columns = [pl.Series(name, self.values[:, k]) for k, name in enumerate(self.names)]
        return times.with_columns(columns)


def feature_names(features: Iterable[Feature]) -> tuple[str, ...]:
    """Return the column names of features, in order.

    Raises
    ------
    ConfigurationError
        If two features give a column of the same name.
    """
    names: list[str] = []
    for item in features:
        for name in item.outputs:
            if name in names:
                raise ConfigurationError(
                    f"features: the column {name!r} is given twice; rename one of the two features"
                )
            names.append(name)
    return tuple(names)


def longest_lookback(features: Iterable[Feature]) -> int:
    """Return the candles that all of the features need, the current one included."""
    return max((item.lookback for item in features), default=1)


def compute_features(candles: Candles, features: Sequence[Feature], *, block_rows: int = BLOCK_ROWS) -> FeatureFrame:
    """Compute features of every candle, gap-free segment by segment, in blocks that fit the processor's cache.

    Parameters
    ----------
    candles
        Any number of candles, gaps allowed.
    features
        What to compute, in the order of the columns wanted.
    block_rows
        Rows computed at a time; no value depends on it but by rounding.

    Returns
    -------
    FeatureFrame
        NaN in the first `lookback - 1` rows of each segment.

    Raises
    ------
    MissingColumnError
        If the candles lack a column that a feature reads.
    ConfigurationError
        If a feature fails or returns another shape than one value a candle.
    """
    names = feature_names(features)
    _require_columns(candles, features)
    columns = np.empty((len(names), len(candles)))
    rows = {name: columns[k] for k, name in enumerate(names)}
    for start, stop in candles.segment_bounds:
        for item in features:
            _compute_segment(item, candles, start, stop, rows, block_rows)
    return FeatureFrame(candles, names, columns.T, longest_lookback(features))


def _require_columns(candles: Candles, features: Iterable[Feature]) -> None:
    for item in features:
        absent = [name for name in item.columns if name not in candles.columns]
        if absent:
            raise MissingColumnError(
                f"feature {item.name} needs the column {', '.join(absent)}, which the candles of {candles.symbol} lack "
                f"(found {', '.join(candles.columns)}); use a source that has it, or leave the feature out"
            )


def _compute_segment(
    item: Feature, candles: Candles, start: int, stop: int, rows: Mapping[str, Floats], block_rows: int
) -> None:
    warmup = item.lookback - 1
    for first in range(start, stop, block_rows):
        last = min(first + block_rows, stop)
        begin = max(start, first - warmup)
        block = candles[begin:last]
        computed = call(item.name, item.compute, block)
        results = computed if isinstance(computed, Mapping) else {item.name: computed}
        for name, lookback in item.lookbacks.items():
            values = _checked(item, name, results, len(block))
            rows[name][first:last] = values[first - begin :]
            rows[name][first : min(last, start + lookback - 1)] = np.nan


def _checked(item: Feature, name: str, results: Mapping[str, Floats], expected: int) -> Floats:
    if name not in results or len(results) != len(item.lookbacks):
        raise ConfigurationError(
            f"feature {item.name}: expected the columns {', '.join(item.outputs)}, found "
            f"{', '.join(map(str, results)) or 'none'}"
        )
    values = np.asarray(results[name])
    if values.shape != (expected,):
        raise ConfigurationError(
            f"feature {item.name}: {name} must have one value a candle, shape ({expected},), found {values.shape}"
        )
    return values
