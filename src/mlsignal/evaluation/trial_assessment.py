"""What a result is worth, given everything that was tried on the same market over the same time."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from mlsignal.candles import Floats
from mlsignal.errors import DataError
from mlsignal.evaluation.overfitting import Overfitting, probability_of_overfitting
from mlsignal.evaluation.sharpe import deflated_sharpe, expected_maximum_sharpe, probabilistic_sharpe
from mlsignal.evaluation.trial_log import LoggedTrials
from mlsignal.evaluation.trials import Trial

COVERED = 0.9
"""Share of the current test span that a trial must have been tested on, to be compared with it block by block."""


@dataclass(frozen=True)
class TrialsAssessment:
    """How a trial stands among all that were made on the market over an overlapping test span.

    Attributes
    ----------
    n_trials
        Trials counted, the current one included; those with the same outcome once.
    n_configurations
        Different configurations among them, whatever the model and the candles.
    n_independent
        As many independent trials as the counted ones amount to, from the mean correlation of their returns; None
        where fewer than 2 share the current span. For the reader: the deflation counts all.
    sharpe, sharpe_error
        Of what the current trial's timing earned in a period after costs (`BacktestResult.timing_returns`), not
        annualised.
    spread
        Standard deviation of the trials' Sharpe ratios of a period; of a single trial its own standard error.
    expected_maximum
        The best Sharpe ratio to expect of that many trials without skill.
    probabilistic_sharpe, deflated_sharpe
        Probability that the current trial's true Sharpe ratio exceeds 0, and exceeds `expected_maximum`.
    pbo
        Probability of backtest overfitting over the trials that share the current span; None where not defined.
    pbo_reason
        Why not.
    best
        configuration_sha256, model and sharpe of the trial with the highest Sharpe ratio.
    is_best
        Whether that is the current one.
    recorded, unreadable, file
        Of the log.
    """

    n_trials: int
    n_configurations: int
    n_independent: float | None
    sharpe: float
    sharpe_error: float
    spread: float
    expected_maximum: float
    probabilistic_sharpe: float
    deflated_sharpe: float
    pbo: Overfitting | None
    pbo_reason: str | None
    best: dict[str, Any]
    is_best: bool
    recorded: bool | None
    unreadable: int
    file: str

    def to_dict(self) -> dict[str, Any]:
        """Return the key `trials` of metrics.json."""
        return {**asdict(self), "pbo": None if self.pbo is None else self.pbo.to_dict()}


def assess_trials(current: Trial, logged: LoggedTrials) -> TrialsAssessment:
    """Deflate the current trial's Sharpe ratio by the number of trials, and estimate how often such choices overfit.

    Parameters
    ----------
    current
        The trial that was selected.
    logged
        Those of its market; the current one is counted whether or not it is among them.

    Notes
    -----
    The deflation counts every trial whose test span overlaps, with the spread that their Sharpe ratios show: related
    trials spread less, so their relation is allowed for once. The number of independent trials is
    r + (1 - r) N, r the mean correlation (Bailey and Lopez de Prado 2014, appendix); putting it in as well would allow
    for the relation twice.
    """
    distinct = {trial.outcome: trial for trial in logged.overlapping(current.start, current.end)}
    others = [trial for outcome, trial in distinct.items() if outcome != current.outcome and trial.key != current.key]
    trials = [current, *others]
    ratios = np.array([trial.sharpe.ratio for trial in trials])
    ratios = ratios[np.isfinite(ratios)]
    moments = current.sharpe
    spread = float(ratios.std(ddof=1)) if len(ratios) > 1 else moments.standard_error
    usable = math.isfinite(spread)
    comparable = [current, *(trial for trial in others if _covers(trial, current))]
    returns = _block_returns(comparable)
    pbo, reason = _overfitting(returns, len(trials))
    best = max(trials, key=lambda trial: trial.sharpe.ratio if math.isfinite(trial.sharpe.ratio) else -math.inf)
    return TrialsAssessment(
        n_trials=len(trials),
        n_configurations=len({trial.configuration_sha256 for trial in trials}),
        n_independent=_independent(returns, len(trials)),
        sharpe=moments.ratio,
        sharpe_error=moments.standard_error,
        spread=spread,
        expected_maximum=expected_maximum_sharpe(len(trials), spread) if usable else math.nan,
        probabilistic_sharpe=probabilistic_sharpe(moments),
        deflated_sharpe=deflated_sharpe(moments, len(trials), spread) if usable else math.nan,
        pbo=pbo,
        pbo_reason=reason,
        best={
            "configuration_sha256": best.configuration_sha256,
            "model": best.model,
            "sharpe": best.sharpe.ratio,
        },
        is_best=best is current and math.isfinite(moments.ratio),
        recorded=logged.recorded,
        unreadable=logged.unreadable,
        file=logged.file,
    )


def _covers(trial: Trial, current: Trial) -> bool:
    shared = min(trial.end, current.end) - max(trial.start, current.start)
    return shared >= COVERED * (current.end - current.start)


def _block_returns(trials: list[Trial]) -> Floats:
    """Return the net returns of the whole calendar blocks that all trials were tested on, (n_blocks, n_trials)."""
    length = max(trial.block_ms for trial in trials)
    start = max(trial.start for trial in trials).timestamp() * 1000
    end = min(trial.end for trial in trials).timestamp() * 1000
    first, stop = math.ceil(start / length), math.floor(end / length)
    table = np.zeros((max(stop - first, 0), len(trials)))
    for column, trial in enumerate(trials):
        for block_start, total in trial.blocks.items():
            row = block_start // length - first
            if 0 <= row < len(table):
                table[row, column] += total
    return table


def _independent(returns: Floats, n_trials: int) -> float | None:
    """Return r + (1 - r) N, r the mean correlation of trials that vary, not below 0."""
    varying = returns[:, np.ptp(returns, axis=0) > 0] if len(returns) > 1 else returns[:, :0]
    columns = int(varying.shape[1])
    if columns < 2:
        return 1.0 if n_trials == 1 else None
    total = float(np.corrcoef(varying, rowvar=False).sum())
    mean = max((total - columns) / (columns * (columns - 1)), 0.0)
    return mean + (1 - mean) * n_trials


def _overfitting(returns: Floats, n_trials: int) -> tuple[Overfitting | None, str | None]:
    if n_trials < 2:
        return None, "this is the only configuration that was tried over this time"
    if returns.shape[1] < 2:
        return None, f"of {n_trials} trials none other was tested on at least {COVERED:.0%} of the same time"
    if np.count_nonzero(np.ptp(returns, axis=0) > 0) < 2:
        return None, "fewer than 2 of the trials traded at all"
    try:
        return probability_of_overfitting(returns), None
    except DataError:
        return None, f"the trials share only {len(returns)} calendar blocks, 8 are needed"
