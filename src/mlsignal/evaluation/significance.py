"""Whether a model foresees anything: tests on the rows that moved, corrected for the number of models."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlsignal.candles import Floats
from mlsignal.evaluation.bootstrap import REPLICATES
from mlsignal.evaluation.comparison import DieboldMariano, diebold_mariano
from mlsignal.evaluation.resampled_scores import Forecast, ResampledScores, plan_for_forecasts, resample_scores
from mlsignal.evaluation.student import student_tail
from mlsignal.metrics import Bools, Labels01, row_log_loss


@dataclass(frozen=True)
class ModelTest:
    """The tests of one model.

    Attributes
    ----------
    auc, auc_interval, auc_error
        AUC of the rows that moved, its 95 % interval and standard error, rows taken as dependent.
    p_auc
        One-sided, of "the AUC exceeds .5"; 1 where it is not defined.
    against
        Baseline -> test that the model's log loss on the rows that moved is the lower one.
    p
        The largest of these: the model has to pass every test, so no correction for their number is needed.
    p_adjusted
        After Holm's correction for the number of models.
    """

    auc: float
    auc_interval: tuple[float, float] | None
    auc_error: float
    p_auc: float
    against: dict[str, DieboldMariano]
    p: float
    p_adjusted: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as metrics.json has them."""
        return {
            "roc_auc": self.auc,
            "ci": None if self.auc_interval is None else list(self.auc_interval),
            "standard_error": self.auc_error,
            "p_auc": self.p_auc,
            "against": {name: test.to_dict() for name, test in self.against.items()},
            "p": self.p,
            "p_adjusted": self.p_adjusted,
        }


@dataclass(frozen=True)
class PredictiveTests:
    """The tests of all models.

    Attributes
    ----------
    models
        Name -> tests.
    n
        Rows that moved.
    horizon
        Candles that a label looks ahead.
    block_length, replicates, degrees
        Of the bootstrap behind the AUC's standard error; degrees are those of Student's t.
    """

    models: dict[str, ModelTest]
    n: int
    horizon: int
    block_length: float
    replicates: int
    degrees: float

    def to_dict(self) -> dict[str, Any]:
        """Return the key `significance` of metrics.json."""
        return {
            "n": self.n,
            "horizon": self.horizon,
            "block_length": self.block_length,
            "replicates": self.replicates,
            "degrees": self.degrees,
            "models": {name: test.to_dict() for name, test in self.models.items()},
        }


def predictive_tests(
    y: Labels01,
    tie: Bools,
    p_moved: Mapping[str, Floats],
    baselines_p_moved: Mapping[str, Floats],
    *,
    generator: np.random.Generator,
    horizon: int = 1,
    replicates: int = REPLICATES,
) -> PredictiveTests:
    """Test each model against chance and against every baseline, on the rows that moved.

    Parameters
    ----------
    y, tie
        Labels 0 or 1, and whether the closes compared are equal; in the order of time, shape (n,).
    p_moved
        Model -> probability of up given that the candle moves, fitted on training rows, shape (n,).
    baselines_p_moved
        Baseline -> the same, from frequencies among training rows that moved.
    generator
        Of the random numbers.
    horizon
        Candles that a label looks ahead.
    replicates
        At least 2.

    Notes
    -----
    The AUC less .5 over its bootstrap standard error is held to Student's t, so that a p far below one over the
    replicates is still told apart. Log losses are compared by Diebold and Mariano. A model's p is the largest of its
    tests (intersection-union: Berger 1982, Technometrics 24(4)).
    """
    moved = np.flatnonzero(~tie)
    up, none_tied = y[moved], np.zeros(len(moved), dtype=np.bool_)
    forecasts = {name: Forecast(p[moved]) for name, p in p_moved.items()}
    resampling = plan_for_forecasts(
        y, {name: Forecast(p) for name, p in p_moved.items()}, generator, horizon=horizon, replicates=replicates
    )
    resampled = resample_scores(up, none_tied, forecasts, resampling, moved)
    losses = {name: row_log_loss(up, p[moved]) for name, p in baselines_p_moved.items()}
    against = {
        name: {
            baseline: diebold_mariano(row_log_loss(up, forecast.p_up), loss, horizon)
            for baseline, loss in losses.items()
        }
        for name, forecast in forecasts.items()
    }
    p_auc = {name: p_above(scores, "roc_auc", 0.5) for name, scores in resampled.items()}
    p = {
        name: max(p_auc[name], *(test.p for test in against[name].values())) if losses else p_auc[name]
        for name in p_auc
    }
    adjusted = holm(p)
    models = {
        name: ModelTest(
            auc=scores.estimate["roc_auc"],
            auc_interval=_pair(scores.interval("roc_auc")),
            auc_error=scores.standard_error("roc_auc"),
            p_auc=p_auc[name],
            against=against[name],
            p=p[name],
            p_adjusted=adjusted[name],
        )
        for name, scores in resampled.items()
    }
    return PredictiveTests(
        models, len(moved), horizon, resampling.block_length, resampling.replicates, resampling.degrees
    )


def p_above(scores: ResampledScores, name: str, value: float) -> float:
    """Return the one-sided p of "the true score exceeds a value"; 1 where that is not defined."""
    error = scores.standard_error(name)
    excess = scores.estimate[name] - value
    if not error > 0 or not np.isfinite(excess):
        return 1.0
    return student_tail(excess / error, scores.resampling.degrees)


def _pair(bounds: list[float] | None) -> tuple[float, float] | None:
    return None if bounds is None else (bounds[0], bounds[1])


def holm(p: Mapping[str, float]) -> dict[str, float]:
    """Return p-values adjusted for their number: one below a level stays below it with all true hypotheses counted.

    References
    ----------
    Holm (1979), A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6(2).

    Examples
    --------
    >>> holm({"a": 0.01, "b": 0.04, "c": 0.03})
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    adjusted: dict[str, float] = {}
    highest = 0.0
    for place, name in enumerate(sorted(p, key=lambda one: p[one])):
        highest = max(highest, min(1.0, (len(p) - place) * p[name]))
        adjusted[name] = highest
    return {name: adjusted[name] for name in p}
