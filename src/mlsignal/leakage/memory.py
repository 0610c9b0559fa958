"""Whether a value follows from its declared lookback alone: it must need no more, and not far less."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mlsignal.candles import Candles, Floats, Times
from mlsignal.errors import ConfigurationError
from mlsignal.features.feature import Feature
from mlsignal.leakage.causality import PREFIXES
from mlsignal.leakage.computation import (
    ABSOLUTE_TOLERANCE,
    PRICE_TOLERANCE,
    Audited,
    Wholes,
    different,
    outputs_of,
    told_difference,
    told_time,
)
from mlsignal.leakage.finding import CheckResult, Finding
from mlsignal.leakage.positions import choose_positions, extreme_candles

LOOKBACK = "lookback"
ROUNDING = 1e-6
"""What older candles may do to a value, as a share of its column's interquartile range, and be a warning only."""
SHORTEST_DOUBTED = 8
"""Lookbacks shorter than this are never called too long."""
LOOKED_AT_AGAIN = 8
"""Differing candles of a column at which it is decided whether its future or its past is to blame."""


@dataclass
class _Column:
    """What the windows said of one column."""

    item: Feature
    output: int
    place: int
    lookback: int
    rows: list[int] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    halved: list[float] = field(default_factory=list)


def check_lookbacks(
    candles: Candles, audited: Audited, wholes: Wholes, count: int, seed: int, halves: int = 48
) -> tuple[CheckResult, CheckResult]:
    """Compare each value on the whole series with that of its last `lookback` candles alone.

    Parameters
    ----------
    candles
        The whole series.
    audited, wholes
        The features, and their values on the whole series.
    count
        Candles looked at, for each column.
    seed
        Of their choice.
    halves
        At so many of them half of the lookback is tried too.

    Returns
    -------
    pair of CheckResult
        "lookback": columns that remember more than they declare (a warning where it is rounding that they remember),
        and a warning for those that give the same from half of what they declare. "prefixes": columns that differ
        because they look ahead.
    """
    future: list[Finding] = []
    past: list[Finding] = []
    place = looked_at = 0
    extremes = extreme_candles(candles)
    for item in audited.features:
        columns = [
            _Column(item, output, place + output, lookback) for output, lookback in enumerate(item.lookbacks.values())
        ]
        place += len(columns)
        for lookback in sorted({column.lookback for column in columns}):
            group = [column for column in columns if column.lookback == lookback]
            _compute_windows(candles, item, group, (count, halves), seed, extremes)
        for column in columns:
            looked_at += len(column.rows)
            finding = _judge(candles, audited, wholes, column)
            if finding is not None:
                (future if finding.check == PREFIXES else past).append(finding)
    told = f"{looked_at:,} values from their lookback alone"
    return CheckResult(LOOKBACK, told, looked_at, tuple(past)), CheckResult(PREFIXES, "", 0, tuple(future))


def _compute_windows(
    candles: Candles, item: Feature, group: Sequence[_Column], counts: tuple[int, int], seed: int, extremes: Times
) -> None:
    lookback, (count, halves) = group[0].lookback, counts
    random = np.random.default_rng([seed, 2, lookback])
    positions = choose_positions(candles, lookback, count, random, extremes)
    doubted = lookback >= SHORTEST_DOUBTED and len(positions) >= halves > 0
    tried = set(random.choice(positions, halves, replace=False).tolist()) if doubted else set()
    for t in positions.tolist():
        newest = _newest(item, candles[t - lookback + 1 : t + 1])
        half = _newest(item, candles[t - lookback // 2 + 1 : t + 1]) if t in tried else None
        for column in group:
            column.rows.append(t)
            column.alone.append(newest[column.output])
            if half is not None:
                column.halved.append(half[column.output])
            elif tried:
                column.halved.append(np.inf)


def _newest(item: Feature, window: Candles) -> list[float]:
    try:
        return [float(values[-1]) for values in outputs_of(item, window)]
    except ConfigurationError:
        return [float("nan")] * len(item.outputs)


def _judge(candles: Candles, audited: Audited, wholes: Wholes, column: _Column) -> Finding | None:
    if not column.rows:
        return None
    rows, alone, k = np.array(column.rows), np.array(column.alone), column.place
    scale = PRICE_TOLERANCE * candles.close[rows]
    floor = scale if column.item.scale == "price" else np.full(len(rows), ABSOLUTE_TOLERANCE)
    for whole in (wholes.direct, wholes.engine):
        apart = different(whole[rows, k], alone, floor)
        if apart.any():
            return _accuse(candles, audited, whole, column, np.flatnonzero(apart))
    return _doubt(column, alone, floor)


def _accuse(candles: Candles, audited: Audited, whole: Floats, column: _Column, apart: Times) -> Finding:
    """Say whether a column that differs looks ahead, or remembers more than it says."""
    name = audited.names[column.place]
    only = Audited((column.item,))
    bounds, segments = candles.segment_bounds, candles.segment_ids
    tried = apart[np.unique(np.linspace(0, len(apart) - 1, LOOKED_AT_AGAIN).astype(np.int64))]
    for number in tried.tolist():
        t = column.rows[int(number)]
        prefix = only.directly(candles[bounds[segments[t]][0] : t + 1])[-1:, column.output : column.output + 1]
        now = whole[t : t + 1, column.place : column.place + 1]
        if only.different(candles.close[t : t + 1], np.repeat(now, len(only.names), 1), prefix)[0, column.output]:
            explanation = (
                f"the value of {told_time(candles, t)} changes where the candles after it are cut off: "
                f"{told_difference(float(now[0, 0]), float(prefix[0, 0]))}"
            )
            return Finding(PREFIXES, name, explanation)
    rows, alone = np.array(column.rows)[apart], np.array(column.alone)[apart]
    size = np.abs(whole[rows, column.place] - alone)
    quartiles = np.nanquantile(whole[:, column.place], [0.25, 0.75])  # a spike would stretch a standard deviation
    rounding = bool((size <= ROUNDING * (quartiles[1] - quartiles[0])).all())
    explanation = (
        f"the value of {told_time(candles, int(rows[0]))} does not follow from the declared lookback of "
        f"{column.lookback} candles: {told_difference(float(whole[rows[0], column.place]), float(alone[0]))}"
        f"{', no more than rounding' if rounding else ''}"
    )
    return Finding(LOOKBACK, name, explanation, "warning" if rounding else "leak")


def _doubt(column: _Column, alone: Floats, floor: Floats) -> Finding | None:
    """Warn of a lookback of which half would do: it costs rows behind every gap."""
    if not column.halved:
        return None
    halved = np.array(column.halved)
    tried = ~np.isposinf(halved)
    if np.isnan(halved[tried]).any() or len(np.unique(alone[tried])) < int(tried.sum()) // 2:
        return None
    if different(alone[tried], halved[tried], floor[tried]).any():
        return None
    name = column.item.outputs[column.output]
    explanation = (
        f"declares {column.lookback} candles and gives the same from {column.lookback // 2}: the rows behind every gap "
        "that it leaves empty could be used"
    )
    return Finding(LOOKBACK, name, explanation, "warning")
