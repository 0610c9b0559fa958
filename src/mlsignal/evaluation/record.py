"""The parts of metrics.json and of predictions.parquet, as they are described in docs/reference/metrics.md."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from mlsignal.candles import VALUE_COLUMNS, Candles, Floats, times_utc, utc
from mlsignal.dataset import Dataset
from mlsignal.learning.outliers import Fence
from mlsignal.learning.splits import Fold
from mlsignal.learning.training import CrossValidation

TEST = "test"


def describe_candles(candles: Candles) -> dict[str, Any]:
    """Return symbol, interval, span, gaps and the hash of candles."""
    gaps = candles.gaps
    return {
        "symbol": candles.symbol,
        "interval": candles.interval.value,
        "candles": len(candles),
        "start": candles.start.isoformat(),
        "end": candles.end.isoformat(timespec="milliseconds"),
        "gaps": len(gaps),
        "missing": sum(gap.missing for gap in gaps),
        "sha256": hash_candles(candles),
    }


def hash_candles(candles: Candles) -> str:
    """Return the SHA-256 of open times and value columns: equal for equal candles, wherever they came from."""
    digest = hashlib.sha256(f"{candles.symbol} {candles.interval.value}".encode())
    digest.update(np.ascontiguousarray(candles.open_time_ms).astype("<i8").data)
    for name in VALUE_COLUMNS:
        if name in candles.columns:
            digest.update(name.encode())
            digest.update(np.ascontiguousarray(candles.column(name)).astype("<f8").data)
    return digest.hexdigest()


def describe_rows(dataset: Dataset, split: Fold, exported: Fold) -> dict[str, Any]:
    """Return how many rows there are and which candles are none, and the share of ups, ties and outliers among them.

    Parameters
    ----------
    dataset, split
        The rows, and which of them are the test.
    exported
        What the exported model learnt from: the split's training rows, or those of the last refit.
    """
    fence = Fence.fit(dataset.last_return[split.train])
    outside = {
        side: float(fence.outside(dataset.last_return[rows]).mean())
        for side, rows in (("train", split.train), ("test", split.test))
    }
    candles = dataset.candles
    train_end, test_start, exported_end = (
        utc(int(candles.close_time_ms[dataset.position[row]])).isoformat(timespec="milliseconds")
        for row in (split.train[-1], split.test[0], exported.train[-1])
    )
    return {
        "rows": len(dataset),
        "incomplete_rows": dataset.incomplete_rows,
        "incomplete_columns": dict(dataset.incomplete_columns),
        "train_rows": len(split.train),
        "purged_rows": split.purged,
        "test_rows": len(split.test),
        "train_end": train_end,
        "test_start": test_start,
        "exported_rows": len(exported.train),
        "exported_end": exported_end,
        "up_share": float(dataset.y.mean()),
        "tie_share": float(dataset.tie.mean()),
        "test_tie_share": float(dataset.tie[split.test].mean()),
        "outlier_share": outside,
    }


def prediction_table(
    dataset: Dataset,
    validation: CrossValidation,
    split: Fold,
    test_p_up: Mapping[str, Floats],
    test_p_moved: Mapping[str, Floats],
) -> pl.DataFrame:
    """Return every out-of-sample probability: one row a candle, fold ("1".. or "test") and model.

    `p_moved`, the calibrated P(up | moves), is null in the folds: its calibration was fitted on them.
    """
    parts = [
        (name, str(number), result.rows, result.p_up, np.full(len(result.rows), np.nan))
        for name, results in validation.results.items()
        for number, result in enumerate(results, start=1)
    ]
    parts += [(name, TEST, split.test, p_up, test_p_moved[name]) for name, p_up in test_p_up.items()]
    lengths = [len(part[2]) for part in parts]
    rows = np.concatenate([part[2] for part in parts])
    position = dataset.position[rows]
    return pl.DataFrame(
        {
            "symbol": pl.repeat(dataset.candles.symbol, len(rows), eager=True),
            "open_time": times_utc(dataset.candles.open_time_ms[position]),
            "close_time": times_utc(dataset.candles.close_time_ms[position]),
            "fold": np.repeat([part[1] for part in parts], lengths),
            "model": np.repeat([part[0] for part in parts], lengths),
            "p_up": np.concatenate([part[3] for part in parts]),
            "label": dataset.y[rows],
            "tie": dataset.tie[rows],
            "p_moved": pl.Series(np.concatenate([part[4] for part in parts])).fill_nan(None),
        }
    )


def without_nan(value: Any) -> Any:
    """Return a copy in which every float that is not finite is None, as JSON needs it."""
    if isinstance(value, Mapping):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [without_nan(item) for item in value]
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
