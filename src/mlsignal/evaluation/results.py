"""What a run found out, as one frozen value: the report, the exports and the command line read only this."""

from dataclasses import dataclass
from typing import Any

import polars as pl

from mlsignal.candles import Candles

SCHEMA_VERSION = 1


@dataclass(frozen=True)
class Importance:
    """How much the selected model's test AUC (ties left out) falls when one feature's values are shuffled.

    Attributes
    ----------
    feature
        Name of the feature.
    mean, std
        Fall of the AUC over the repeats; negative where shuffling helped.
    """

    feature: str
    mean: float
    std: float


@dataclass(frozen=True)
class EvaluationReport:
    """Scores, out-of-sample predictions and what was earned with them.

    Attributes
    ----------
    metrics
        The content of metrics.json, `schema_version` 1; see docs/reference/metrics.md.
    predictions
        symbol, open_time, close_time, fold ("1".. or "test"), model, p_up, label, tie, p_moved (test rows only): one
        row a candle, fold and model.
    candles
        The candles that the run used.
    importances
        Of the selected model, the most important first.
    equity
        Of the selected model over the test span, every signal followed: the curve of a `BacktestResult`.
    decided
        The same where it trades only what is worth its cost.
    """

    metrics: dict[str, Any]
    predictions: pl.DataFrame
    candles: Candles
    importances: tuple[Importance, ...]
    equity: pl.DataFrame
    decided: pl.DataFrame
