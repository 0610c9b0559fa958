"""What the sections and figures read: an evaluation with absences made plain, its test rows by model, its baselines."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from mlsignal.candles import Floats, Times
from mlsignal.evaluation.results import EvaluationReport
from mlsignal.metrics import Bools, Labels01, is_better
from mlsignal.report.numbers import bounds_of, finite, moment, words
from mlsignal.report.palette import SERIES

TEST = "test"


@dataclass(frozen=True)
class ScoredRows:
    """Predictions of one model: arrays of shape (n,), ascending in time."""

    open_time_ms: Times
    p_up: Floats
    label: Labels01
    tie: Bools

    def moved(self) -> "ScoredRows":
        """Return the rows that are no ties."""
        keep = ~self.tie
        return ScoredRows(self.open_time_ms[keep], self.p_up[keep], self.label[keep], self.tie[keep])

    @property
    def right(self) -> Bools:
        """Whether each decision (up where p_up > .5) came true."""
        return np.asarray((self.p_up > 0.5) == (self.label == 1), dtype=np.bool_)


@dataclass(frozen=True)
class Baseline:
    """The best a rule without a model does at one score."""

    name: str
    value: float


def look(tree: Any, path: str) -> Any:
    """Return what lies at a dotted path of nested mappings, or None.

    Examples
    --------
    >>> look({"a": {"b": 1}}, "a.b"), look({"a": None}, "a.b")
    (1, None)
    """
    for part in path.split("."):
        if not isinstance(tree, Mapping):
            return None
        tree = tree.get(part)
    return tree


def look_score(scores: Any, name: str) -> tuple[float | None, tuple[float, float] | None]:
    """Return a score (`roc_auc`, or `without_ties.roc_auc`) and its interval, either None where absent."""
    group, _, leaf = name.rpartition(".")
    holder = look(scores, group) if group else scores
    return finite(look(holder, leaf)), bounds_of(look(look(holder, "ci"), leaf))


class Story:
    """An evaluation as the report tells it.

    Parameters
    ----------
    evaluation
        Metrics may lack keys and hold None; tables may be empty.
    """

    def __init__(self, evaluation: EvaluationReport) -> None:
        self.evaluation = evaluation
        self.metrics: Mapping[str, Any] = evaluation.metrics

    def look(self, path: str) -> Any:
        """Return what the metrics hold at a dotted path, or None."""
        return look(self.metrics, path)

    def mapping(self, path: str) -> Mapping[str, Any]:
        """Return the mapping at a dotted path of the metrics; empty where there is none."""
        found = self.look(path)
        return found if isinstance(found, Mapping) else {}

    def name(self, path: str, otherwise: str = "?") -> str:
        """Return the text at a dotted path of the metrics."""
        found = self.look(path)
        return str(found) if found not in (None, "") else otherwise

    @cached_property
    def models(self) -> tuple[str, ...]:
        """Names of the models, in the order of the metrics, then any that only have predictions."""
        named = list(self.mapping("models"))
        return tuple(dict.fromkeys([*named, *self.rows.get(TEST, {})]))

    @cached_property
    def selected(self) -> str | None:
        """Name of the selected model, or of the only one."""
        chosen = self.look("selected")
        if isinstance(chosen, str) and chosen:
            return chosen
        return self.models[0] if len(self.models) == 1 else None

    @property
    def market(self) -> str:
        """Symbol and interval."""
        return f"{self.name('data.symbol', self.evaluation.candles.symbol)} {self.interval}"

    @property
    def interval(self) -> str:
        """Name of the interval."""
        return self.name("data.interval", self.evaluation.candles.interval.value)

    @property
    def horizon(self) -> int:
        """Candles ahead."""
        return int(finite(self.look("settings.horizon")) or 1)

    @property
    def folds_overlap(self) -> bool:
        """Whether the folds of the cross-validation do not follow each other in time."""
        return bool(self.look("validation.scheme") == "combinatorial")

    @property
    def synthetic(self) -> bool:
        """Whether the market is simulated."""
        return bool(self.look("data.synthetic"))

    @property
    def warning(self) -> str:
        """What every figure must carry."""
        return "SYNTHETIC" if self.synthetic else ""

    @cached_property
    def rows(self) -> dict[str, dict[str, ScoredRows]]:
        """Predictions by fold and model."""
        return _rows(self.evaluation.predictions)

    @cached_property
    def test(self) -> dict[str, ScoredRows]:
        """Predictions of the test span by model, in the order of `models`."""
        found = self.rows.get(TEST, {})
        return {model: found[model] for model in self.models if model in found}

    @property
    def span(self) -> str:
        """The test span, for the subtitles of figures."""
        times = [rows.open_time_ms for rows in self.test.values() if len(rows.open_time_ms)]
        if not times:
            return "no test rows"
        first, last = (np.datetime64(int(t), "ms").item().isoformat() for t in (times[0][0], times[0][-1]))
        return f"test span {moment(first)} to {moment(last)} UTC, {len(times[0]):,} rows"

    def style(self, model: str) -> str:
        """Return the colour class of a model: the same in every figure."""
        place = self.models.index(model) if model in self.models else 0
        return f"s{place % SERIES}" + (" dash" if place >= SERIES else "")

    def title(self, model: str) -> str:
        """Return the name of a model in words."""
        return words(model)

    def test_score(self, name: str) -> tuple[float | None, tuple[float, float] | None]:
        """Return a test score of the selected model and its interval."""
        return look_score(look(self.mapping("models").get(self.selected or ""), TEST), name)

    def best_baseline(self, name: str) -> Baseline | None:
        """Return the baseline that does best at a score, or None where none has it."""
        best: Baseline | None = None
        for baseline, scores in self.mapping("baselines").items():
            value, _ = look_score(scores, name)
            if value is not None and (best is None or is_better(name, value, best.value)):
                best = Baseline(words(baseline), value)
        return best


def _rows(predictions: pl.DataFrame) -> dict[str, dict[str, ScoredRows]]:
    needed = ("fold", "model", "open_time", "p_up", "label")
    if predictions.is_empty() or any(name not in predictions.columns for name in needed):
        return {}
    frame = predictions if "tie" in predictions.columns else predictions.with_columns(tie=pl.lit(value=False))
    frame = frame.select(
        pl.col("fold", "model").cast(pl.String),
        pl.col("open_time").dt.epoch("ms").alias("time"),
        pl.col("p_up").cast(pl.Float64).fill_null(np.nan),
        pl.col("label").cast(pl.Int8),
        pl.col("tie").fill_null(value=False),
    ).filter(pl.col("p_up").is_finite() & pl.col("label").is_not_null() & pl.col("time").is_not_null())
    found: dict[str, dict[str, ScoredRows]] = {}
    for (fold, model), part in frame.partition_by("fold", "model", as_dict=True, maintain_order=True).items():
        part = part.sort("time")
        arrays = (part[name].to_numpy() for name in ("time", "p_up", "label", "tie"))
        found.setdefault(str(fold), {})[str(model)] = ScoredRows(*arrays)
    return found
