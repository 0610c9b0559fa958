"""Which of two forecasts of the same rows is better, and how sure that is."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mlsignal.candles import Floats
from mlsignal.errors import ConfigurationError
from mlsignal.evaluation.bootstrap import autocovariances
from mlsignal.evaluation.resampled_scores import (
    LEVEL,
    OF_MOVED_ROWS,
    WITHOUT_TIES,
    Forecast,
    ResampledScores,
    plan_for_forecasts,
    resample_scores,
)
from mlsignal.evaluation.student import student_reach, student_tail
from mlsignal.metrics import Bools, Labels01, row_log_loss

FEWEST_ROWS = 8
BANDWIDTH_FACTOR = 1.3


@dataclass(frozen=True)
class DieboldMariano:
    """The test that two forecasts have the same expected loss.

    Attributes
    ----------
    difference
        Mean of the first's loss less the second's; below 0 where the first is better.
    standard_error
        Of the difference, rows taken as dependent; NaN for fewer than 8 rows or differences that do not vary.
    statistic
        Difference over standard error, after the small-sample correction.
    p
        One-sided, of "the first has the lower loss"; 1 where the statistic is not defined.
    p_two_sided
        Of "the losses differ".
    bandwidth
        Lags of autocovariance that the standard error counts.
    n
        Rows.
    """

    difference: float
    standard_error: float
    statistic: float
    p: float
    p_two_sided: float
    bandwidth: int
    n: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return asdict(self)


def diebold_mariano(loss: Floats, other: Floats, horizon: int = 1) -> DieboldMariano:
    """Test whether a forecast's expected loss is lower than another's.

    Parameters
    ----------
    loss, other
        Losses of both on the same rows, in the order of time, shape (n,).
    horizon
        Candles that a label looks ahead.

    Notes
    -----
    The variance is that of Newey and West: autocovariances weighted 1 - k / (m + 1) up to lag
    m = max(1.3 sqrt(n), 2 horizon). The statistic is multiplied by sqrt((n + 1 - 2 h + h (h - 1) / n) / n), h the
    horizon, and is held to Student's t of 1.5 n / (m + 1) degrees of freedom, which that variance has; the paper
    takes n - 1 for a variance of h - 1 lags.

    References
    ----------
    Diebold, Mariano (1995), Comparing predictive accuracy, JBES 13(3); Harvey, Leybourne, Newbold (1997), Testing the
    equality of prediction mean squared errors, International Journal of Forecasting 13(2); Newey, West (1987),
    Econometrica 55(3); bandwidth: Lazarus, Lewis, Stock, Watson (2018), HAR inference: recommendations for practice,
    JBES 36(4).

    Raises
    ------
    ConfigurationError
        If the losses are of different length, or the horizon is below 1.
    """
    if loss.shape != other.shape or horizon < 1:
        raise ConfigurationError(
            f"Diebold-Mariano: expected losses of the same rows and a horizon of at least 1, found {loss.shape}, "
            f"{other.shape} and {horizon}"
        )
    difference, n = loss - other, len(loss)
    mean = float(difference.mean()) if n else float("nan")
    if n < FEWEST_ROWS or np.ptp(difference) == 0:
        return DieboldMariano(mean, float("nan"), float("nan"), 1.0, 1.0, 0, n)
    bandwidth = min(max(int(np.ceil(BANDWIDTH_FACTOR * np.sqrt(n))), 2 * horizon), n - 1)
    covariance = autocovariances(difference, bandwidth)
    weight = 1 - np.arange(1, bandwidth + 1) / (bandwidth + 1)
    error = float(np.sqrt((covariance[0] + 2 * weight @ covariance[1:]) / n))
    corrected = max(n + 1 - 2 * horizon + horizon * (horizon - 1) / n, 0) / n
    statistic = mean / error * corrected**0.5
    degrees = max(1.5 * n / (bandwidth + 1), 1.0)
    p = student_tail(-statistic, degrees)
    return DieboldMariano(mean, error, statistic, p, 2 * min(p, 1 - p), bandwidth, n)


@dataclass(frozen=True)
class ScoreDifference:
    """A score of one forecast less that of another on the same rows.

    Attributes
    ----------
    score
        Name of the score.
    first, second, difference
        Values, and the first less the second.
    interval
        Of the difference, [low, high] at 95 %; None where it is not defined.
    p
        Two-sided, of "they differ"; 1 where the difference does not vary.
    """

    score: str
    first: float
    second: float
    difference: float
    interval: tuple[float, float] | None
    p: float

    def to_dict(self) -> dict[str, Any]:
        """Return the fields."""
        return {**asdict(self), "interval": None if self.interval is None else list(self.interval)}


def score_difference(first: ResampledScores, second: ResampledScores, score: str) -> ScoreDifference:
    """Compare a score of two forecasts that were resampled together, replicate by replicate.

    Raises
    ------
    ConfigurationError
        If the two come from different resamplings: their replicates are then no pairs.
    """
    if first.resampling != second.resampling:
        raise ConfigurationError("comparison: expected two forecasts resampled together, found two resamplings")
    a, b = first.estimate[score], second.estimate[score]
    error = first.resampling.standard_error(first.draws[score] - second.draws[score])
    if not error > 0 or not np.isfinite(a - b):
        return ScoreDifference(score, a, b, a - b, None, 1.0)
    reach = student_reach(LEVEL, first.resampling.degrees) * error
    p = 2 * student_tail(abs(a - b) / error, first.resampling.degrees)
    return ScoreDifference(score, a, b, a - b, (a - b - reach, a - b + reach), p)


@dataclass(frozen=True)
class ForecastComparison:
    """Two forecasts of the same rows, score by score.

    Attributes
    ----------
    n, n_moved
        Rows, and those that are no ties.
    scores
        roc_auc, accuracy, log_loss and brier of all rows, then of those that moved (`without_ties.SCORE`).
    diebold_mariano
        On the log loss of the rows that moved; its `p` is one-sided, of "the first has the lower loss".
    block_length, replicates
        Of the bootstrap.
    """

    n: int
    n_moved: int
    scores: tuple[ScoreDifference, ...]
    diebold_mariano: DieboldMariano
    block_length: float
    replicates: int

    def score(self, name: str) -> ScoreDifference:
        """Return the comparison of a score."""
        return next(found for found in self.scores if found.score == name)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, scores by name."""
        return {
            "n": self.n,
            "n_moved": self.n_moved,
            "scores": {found.score: found.to_dict() for found in self.scores},
            "diebold_mariano": self.diebold_mariano.to_dict(),
            "block_length": self.block_length,
            "replicates": self.replicates,
        }


def compare_forecasts(
    y: Labels01, tie: Bools, first: Forecast, second: Forecast, generator: np.random.Generator, *, horizon: int = 1
) -> ForecastComparison:
    """Compare two forecasts of the same rows by a paired bootstrap, and their log losses by Diebold and Mariano.

    Parameters
    ----------
    y, tie
        Labels 0 or 1, and whether the closes compared are equal; in the order of time, shape (n,).
    first, second
        Forecasts of these rows.
    generator
        Of the random numbers.
    horizon
        Candles that a label looks ahead.
    """
    both = {"first": first, "second": second}
    resampling = plan_for_forecasts(y, both, generator, horizon=horizon)
    found = resample_scores(y, tie, both, resampling)
    names = (*OF_MOVED_ROWS, *(WITHOUT_TIES + name for name in OF_MOVED_ROWS))
    moved = ~tie
    loss, other = (row_log_loss(y[moved], forecast.p_up[moved]) for forecast in (first, second))
    return ForecastComparison(
        n=len(y),
        n_moved=int(moved.sum()),
        scores=tuple(score_difference(found["first"], found["second"], name) for name in names),
        diebold_mariano=diebold_mariano(loss, other, horizon),
        block_length=resampling.block_length,
        replicates=resampling.replicates,
    )
