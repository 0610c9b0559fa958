"""How often the best of many trials on one half of the time is below the median on the other half."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import combinations, islice
from typing import Any

import numpy as np
import numpy.typing as npt

from mlsignal.candles import Floats
from mlsignal.errors import DataError

BLOCKS = 16
FEWEST_BLOCKS = 4
PERIODS_PER_BLOCK = 2
COMBINATIONS_AT_A_TIME = 1_000


@dataclass(frozen=True)
class Overfitting:
    """Probability of backtest overfitting.

    Attributes
    ----------
    pbo
        Share of the halves on which the trial that was best outside did not exceed the median: near .5 where the
        choice is luck, near 0 where it is skill.
    logits
        ln(w / (1 - w)) of its relative rank w on each half, ascending, shape (n_combinations,).
    slope
        Of its Sharpe ratio on the half against the one on which it was chosen; NaN where that does not vary.
    loss_share
        Share of the halves on which it lost money.
    mean_chosen, mean_after
        Its mean Sharpe ratio of a period where it was chosen, and on the other half.
    n_trials, n_blocks
        Trials compared, blocks of time.
    """

    pbo: float
    logits: tuple[float, ...]
    slope: float
    loss_share: float
    mean_chosen: float
    mean_after: float
    n_trials: int
    n_blocks: int

    def to_dict(self) -> dict[str, Any]:
        """Return the fields; of the logits only the quartiles."""
        fields = asdict(self)
        fields["logits"] = [float(value) for value in np.quantile(self.logits, [0.25, 0.5, 0.75])]
        return fields


def probability_of_overfitting(returns: Floats, blocks: int = BLOCKS) -> Overfitting:
    """Return the probability of backtest overfitting, by combinatorially symmetric cross-validation.

    Parameters
    ----------
    returns
        Of every trial over the same periods, shape (n_periods, n_trials), finite, at least 2 trials.
    blocks
        Contiguous blocks of periods, even; every half of them is tested on. Fewer are taken where a block would hold
        less than 2 periods.

    Notes
    -----
    Trials are ranked by the Sharpe ratio of a period; one that does not vary has 0, and equal ratios share their mean
    rank. The relative rank is rank / (n_trials + 1), and a logit of 0 counts as overfit, as in the paper.

    References
    ----------
    Bailey, Borwein, Lopez de Prado, Zhu (2017), The probability of backtest overfitting, Journal of Computational
    Finance 20(4).

    Raises
    ------
    DataError
        If there are fewer than 2 trials, fewer than 8 periods, or returns that are not finite.
    """
    returns = np.asarray(returns, dtype=np.float64)
    if returns.ndim != 2 or returns.shape[1] < 2 or len(returns) < FEWEST_BLOCKS * PERIODS_PER_BLOCK:
        raise DataError(
            f"overfitting: expected at least {FEWEST_BLOCKS * PERIODS_PER_BLOCK} periods of at least 2 trials, "
            f"found an array of shape {returns.shape}"
        )
    if not np.isfinite(returns).all():
        raise DataError("overfitting: expected finite returns")
    n_blocks = min(blocks - blocks % 2, len(returns) // PERIODS_PER_BLOCK // 2 * 2)
    sums = _block_sums(returns, n_blocks)
    parts = [_compare(sums, chosen) for chosen in _halves(n_blocks)]
    rank, inside, outside = (np.concatenate(part) for part in zip(*parts, strict=True))
    relative = rank / (returns.shape[1] + 1)
    logits = np.log(relative / (1 - relative))
    return Overfitting(
        pbo=float((logits <= 1e-12).mean()),
        logits=tuple(np.sort(logits).tolist()),
        slope=_slope(inside, outside),
        loss_share=float((outside < 0).mean()),
        mean_chosen=float(inside.mean()),
        mean_after=float(outside.mean()),
        n_trials=returns.shape[1],
        n_blocks=n_blocks,
    )


def _halves(n_blocks: int) -> Iterator[npt.NDArray[np.float64]]:
    """Yield which blocks the choice is made on: 0 or 1, shape (n_halves, n_blocks)."""
    all_halves = combinations(range(n_blocks), n_blocks // 2)
    while chosen := list(islice(all_halves, COMBINATIONS_AT_A_TIME)):
        table = np.zeros((len(chosen), n_blocks))
        np.put_along_axis(table, np.array(chosen), 1.0, axis=1)
        yield table


def _block_sums(returns: Floats, n_blocks: int) -> Floats:
    """Return periods, sums and sums of squares about the means, and the means, shape (4, n_blocks, n_trials)."""
    starts = np.linspace(0, len(returns), n_blocks + 1).astype(np.int64)[:-1]
    means = returns.mean(axis=0)
    centred = returns - means
    sizes = np.diff(np.append(starts, len(returns)))[:, None] * np.ones(returns.shape[1])
    sums = np.add.reduceat(centred, starts, axis=0)
    squares = np.add.reduceat(np.square(centred), starts, axis=0)
    return np.stack([sizes, sums, squares, np.broadcast_to(means, sums.shape)])


def _compare(sums: Floats, chosen: Floats) -> tuple[Floats, Floats, Floats]:
    """Return rank, ratio inside and ratio outside of the trial that is best on the chosen blocks of each row."""
    inside, outside = _ratios(sums, chosen), _ratios(sums, 1 - chosen)
    best = inside.argmax(axis=1)[:, None]
    own = np.take_along_axis(outside, best, axis=1)
    less, equal = (outside < own).sum(axis=1), (outside == own).sum(axis=1)
    return less + (equal + 1) / 2, np.take_along_axis(inside, best, axis=1)[:, 0], own[:, 0]


def _ratios(sums: Floats, chosen: Floats) -> Floats:
    """Return the Sharpe ratio of a period of each trial on the chosen blocks, shape (n_halves, n_trials)."""
    sizes, totals, squares, means = sums
    n, total, square = chosen @ sizes, chosen @ totals, chosen @ squares
    variance = np.maximum(square - total**2 / n, 0) / (n - 1)
    varies = variance > 1e-24 * (means[0] ** 2 + squares.sum(axis=0) / sizes.sum(axis=0))
    return np.where(varies, (total / n + means[0]) / np.sqrt(np.where(varies, variance, 1)), 0.0)


def _slope(inside: Floats, outside: Floats) -> float:
    centred = inside - inside.mean()
    spread = float(np.square(centred).sum())
    return float((centred * (outside - outside.mean())).sum()) / spread if spread > 0 else float("nan")
