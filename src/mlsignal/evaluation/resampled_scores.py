"""Scores of forecasts on resampled rows, all of them from the same replicates, and their intervals."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Floats
from mlsignal.evaluation.bootstrap import REPLICATES, Resampling, automatic_block_length, plan_resampling
from mlsignal.evaluation.student import student_reach
from mlsignal.metrics import Bools, Labels01, row_brier, row_log_loss

LEVEL = 0.95
COVERAGE_FACTOR = 2.0
"""Length of blocks over that of the automatic rule, see `plan_for_forecasts`."""
FEW_VALUES = 8
"""Up to this many distinct values, an AUC is taken from sums of groups instead of sorted rows."""
WITHOUT_TIES = "without_ties."
OF_ALL_ROWS = ("roc_auc", "accuracy", "balanced_accuracy", "f1_up", "log_loss", "brier", "mcc")
_RANGES = dict.fromkeys(OF_ALL_ROWS, (0.0, 1.0)) | {"log_loss": (0.0, np.inf), "mcc": (-1.0, 1.0)}
OF_MOVED_ROWS = ("roc_auc", "accuracy", "log_loss", "brier")

Indices = npt.NDArray[np.intp]


@dataclass(frozen=True)
class Forecast:
    """What a model or a baseline says of rows: arrays of shape (n,).

    Attributes
    ----------
    p_up
        Probability of up.
    up
        Decisions; `p_up` > .5 where None.
    rank
        What the AUC is taken of; `p_up` where None.
    """

    p_up: Floats
    up: Bools | None = None
    rank: Floats | None = None

    @property
    def decisions(self) -> Bools:
        """Whether up is said, shape (n,)."""
        return self.p_up > 0.5 if self.up is None else self.up

    @property
    def ranking(self) -> Floats:
        """The higher, the likelier up; shape (n,)."""
        return self.p_up if self.rank is None else self.rank


@dataclass(frozen=True)
class ResampledScores:
    """Scores on the rows as they are, and on every replicate.

    Attributes
    ----------
    estimate
        Score -> value; those of rows that moved are named `without_ties.SCORE`. NaN where not defined.
    draws
        Score -> values on the replicates, shape (replicates,); NaN where a replicate does not define it.
    resampling
        What drew them.
    """

    estimate: dict[str, float]
    draws: dict[str, Floats]
    resampling: Resampling

    def standard_error(self, name: str) -> float:
        """Return a score's standard error; NaN where fewer than two replicates define it."""
        return self.resampling.standard_error(self.draws[name])

    def interval(self, name: str, level: float = LEVEL) -> list[float] | None:
        """Return [low, high] of a score, or None where it is not defined."""
        reach = student_reach(level, self.resampling.degrees) * self.standard_error(name)
        lowest, highest = _RANGES.get(name.removeprefix(WITHOUT_TIES), (-np.inf, np.inf))
        bounds = [max(self.estimate[name] - reach, lowest), min(self.estimate[name] + reach, highest)]
        return bounds if np.isfinite(bounds).all() else None

    def intervals(self, level: float = LEVEL) -> dict[str, Any]:
        """Return score -> [low, high] where defined; those of rows that moved in a mapping under `without_ties`."""
        found: dict[str, Any] = {}
        without: dict[str, Any] = {}
        for name in self.estimate:
            bounds = self.interval(name, level)
            if bounds is not None and name.startswith(WITHOUT_TIES):
                without[name.removeprefix(WITHOUT_TIES)] = bounds
            elif bounds is not None:
                found[name] = bounds
        return {**found, WITHOUT_TIES.rstrip("."): without}


def resample_scores(
    y: Labels01,
    tie: Bools,
    forecasts: Mapping[str, Forecast],
    resampling: Resampling,
    rows: Indices | None = None,
) -> dict[str, ResampledScores]:
    """Score every forecast on every replicate: forecast -> scores, paired replicate by replicate.

    Parameters
    ----------
    y, tie
        Labels 0 or 1, and whether the closes compared are equal; in the order of time, shape (n,).
    forecasts
        Name -> forecast of the same rows.
    resampling
        Of n rows, or of more.
    rows
        Which of the resampling's rows these are, shape (n,); all where None.
    """
    tables = {name: _Rows.of(y, tie, forecast) for name, forecast in forecasts.items()}
    linear = np.concatenate([own.linear for own in tables.values()])
    stops = np.cumsum([len(own.linear) for own in tables.values()])[:-1]

    def score(counts: Floats) -> list[dict[str, Floats]]:
        sums = np.split(linear @ counts, stops)
        return [own.scores(counts, part) for own, part in zip(tables.values(), sums, strict=True)]

    whole = score(np.ones((len(y), 1)))
    chunks = [score(counts if rows is None else counts[rows]) for counts in resampling.counts()]
    return {
        name: ResampledScores(
            {key: float(value[0]) for key, value in whole[place].items()},
            {key: np.concatenate([chunk[place][key] for chunk in chunks]) for key in whole[place]},
            resampling,
        )
        for place, name in enumerate(tables)
    }


def plan_for_forecasts(
    y: Labels01,
    forecasts: Mapping[str, Forecast],
    generator: np.random.Generator,
    *,
    horizon: int = 1,
    replicates: int = REPLICATES,
) -> Resampling:
    """Plan a resampling with blocks long enough for every forecast's probabilities, log losses and squared errors.

    Parameters
    ----------
    y
        Labels, in the order of time, shape (n,).
    forecasts
        Name -> forecast of the same rows.
    generator
        Of the seed.
    horizon
        Candles that a label looks ahead: blocks are no shorter, for neighbours share their future.
    replicates
        At least 2.

    Notes
    -----
    Blocks are twice as long as the rule of Politis and White has them. That rule makes the mean squared error of a
    standard error smallest; an interval covers best with a standard error of less bias and more variance, if its
    reach allows for the variance (Sun, Phillips, Jin 2008, Optimal bandwidth selection in heteroskedasticity-
    autocorrelation robust testing, Econometrica 76(1)).

    The noise of the outcomes hides a slow dependence of the losses from the rule of Politis and White, which looks at
    one lag after another. What the losses inherit it from, the probabilities, shows it plainly; hence they count too.
    """
    series: list[Floats] = []
    for forecast in forecasts.values():
        series += [forecast.ranking, row_log_loss(y, forecast.p_up), row_brier(y, forecast.p_up)]
    length = max(min(max(COVERAGE_FACTOR * automatic_block_length(series), horizon), len(y) / 3), 1.0)
    return plan_resampling(len(y), length, generator, replicates)


def resample_sharpe(returns: Floats, resampling: Resampling) -> ResampledScores:
    """Return the Sharpe ratio of a period (`sharpe`), resampled.

    Parameters
    ----------
    returns
        Of each period, fractions, in the order of time, shape (n,).
    resampling
        Of n rows.
    """
    centre = float(returns.mean())
    sums = np.stack([returns - centre, np.square(returns - centre)])

    def ratio(counts: Floats) -> Floats:
        mean, square = sums @ counts / len(returns)
        variance = (square - mean**2) * len(returns) / (len(returns) - 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray((centre + mean) / np.sqrt(np.where(variance > 0, variance, np.nan)))

    estimate = float(ratio(np.ones((len(returns), 1)))[0])
    draws = np.concatenate([ratio(counts) for counts in resampling.counts()])
    return ResampledScores({"sharpe": estimate}, {"sharpe": draws}, resampling)


@dataclass(frozen=True)
class _Rows:
    """A forecast's rows, prepared so that scores are sums over rows, weighted by counts."""

    linear: Floats
    all: "_Pairs | None" = None
    moved: "_Pairs | None" = None

    @classmethod
    def of(cls, y: Labels01, tie: Bools, forecast: Forecast) -> "_Rows":
        moved, is_up, said = ~tie, y == 1, forecast.decisions
        loss, brier = row_log_loss(y, forecast.p_up), row_brier(y, forecast.p_up)
        right = is_up == said
        sums = [is_up, said, is_up & said, loss, brier]
        sums += [moved, moved & is_up, moved & right, moved * loss, moved * brier]
        ranking = forecast.ranking
        values, group = np.unique(ranking, return_inverse=True)
        few = len(values) <= FEW_VALUES
        if few:
            for rows in (is_up, ~is_up, moved & is_up, moved & ~is_up):
                sums += [rows & (group == number) for number in range(len(values))]
        linear = np.array(sums, dtype=np.float64)
        if few:
            return cls(linear)
        of_all = _Pairs.of(ranking, is_up, ~is_up)
        return cls(linear, of_all, _Pairs.of(ranking, is_up & moved, ~is_up & moved) if tie.any() else of_all)

    def scores(self, counts: Floats, sums: Floats) -> dict[str, Floats]:
        """Return score -> values, shape (replicates,)."""
        ups, said, true_up, loss, brier, moved, moved_up, moved_right, moved_loss, moved_brier = sums[:10]
        n = counts.sum(axis=0)
        pairs, moved_pairs = self._right_pairs(counts, sums[10:])
        with np.errstate(divide="ignore", invalid="ignore"):
            found = _decision_scores(n, ups, said, true_up)
            found |= {"roc_auc": pairs / (ups * (n - ups)), "log_loss": loss / n, "brier": brier / n}
            without = {
                "roc_auc": moved_pairs / (moved_up * (moved - moved_up)),
                "accuracy": moved_right / moved,
                "log_loss": moved_loss / moved,
                "brier": moved_brier / moved,
            }
        return {key: found[key] for key in OF_ALL_ROWS} | {WITHOUT_TIES + key: without[key] for key in OF_MOVED_ROWS}

    def _right_pairs(self, counts: Floats, grouped: Floats) -> tuple[Floats, Floats]:
        if self.all is None or self.moved is None:
            ups, downs, moved_ups, moved_downs = np.split(grouped, 4)
            return _right_of_groups(ups, downs), _right_of_groups(moved_ups, moved_downs)
        right = self.all.right(counts)
        return right, right if self.moved is self.all else self.moved.right(counts)


def _right_of_groups(ups: Floats, downs: Floats) -> Floats:
    """Return the pairs ranked rightly from the sums of each score's ups and downs, both (n_scores, replicates)."""
    return np.asarray((ups * (np.cumsum(downs, axis=0) - downs / 2)).sum(axis=0))


def _decision_scores(n: Floats, ups: Floats, said: Floats, true_up: Floats) -> dict[str, Floats]:
    """Return the scores of decisions, with the conventions of `mlsignal.metrics.classification_scores`."""
    downs, said_down = n - ups, n - said
    true_down = said_down - (ups - true_up)
    spread = downs * ups * said * said_down
    numerator = true_up * true_down - (said - true_up) * (ups - true_up)
    return {
        "accuracy": (true_up + true_down) / n,
        "balanced_accuracy": (true_up / ups + true_down / downs) / 2,
        "f1_up": np.where(said + ups > 0, 2 * true_up / (said + ups), 0.0),
        "mcc": np.where(spread > 0, numerator / np.sqrt(spread), 0.0),
    }


@dataclass(frozen=True)
class _Pairs:
    """Ups and downs sorted by score: how many pairs are ranked rightly, for any counts of the rows.

    Attributes
    ----------
    ups, downs
        Indices of rows, ascending in score.
    below, through
        Number of downs that score less than each up, and no more than it.
    """

    ups: Indices
    downs: Indices
    below: Indices
    through: Indices

    @classmethod
    def of(cls, score: Floats, is_up: Bools, is_down: Bools) -> "_Pairs":
        ups, downs = (rows[np.argsort(score[rows])] for rows in map(np.flatnonzero, (is_up, is_down)))
        below, through = (np.searchsorted(score[downs], score[ups], side) for side in ("left", "right"))
        return cls(ups, downs, below, through)

    def right(self, counts: Floats) -> Floats:
        """Return the number of pairs ranked rightly, equal scores counted half, shape (replicates,)."""
        summed = np.zeros((len(self.downs) + 1, counts.shape[1]))
        np.cumsum(counts[self.downs], axis=0, out=summed[1:])
        up_counts = counts[self.ups]
        found = np.einsum("ij,ij->j", up_counts, summed[self.below])
        if not np.array_equal(self.below, self.through):
            found = (found + np.einsum("ij,ij->j", up_counts, summed[self.through])) / 2
        return np.asarray(found)
