"""Every model of a run enters the trial log, without being asked."""

from collections.abc import Mapping
from typing import Any

from mlsignal.candles import utc
from mlsignal.config import Settings
from mlsignal.errors import DataError
from mlsignal.evaluation.backtest import BacktestResult
from mlsignal.evaluation.money import Money
from mlsignal.evaluation.sharpe import sharpe_moments
from mlsignal.evaluation.trial_assessment import TrialsAssessment, assess_trials
from mlsignal.evaluation.trial_log import TrialLog
from mlsignal.evaluation.trials import Trial, calendar_blocks
from mlsignal.learning.learned import Learned

_NO_CONFIGURATION = ("command", "feature_names")


def record_trials(
    settings: Settings, learned: Learned, money: Money, metrics: Mapping[str, Any]
) -> TrialsAssessment | None:
    """Log the decisions of every model of a run, and return how the selected one stands among all trials so far.

    Parameters
    ----------
    settings
        Where the log is.
    learned, money
        The models, and what their decisions would have earned.
    metrics
        `data`, `settings` and `models` as metrics.json has them.

    Returns
    -------
    TrialsAssessment
        Or None where the test span is too short to have a return.
    """
    data = metrics["data"]
    try:
        trials = {name: _trial(name, learned, result, metrics) for name, result in money.decided.items()}
    except DataError:
        return None
    # Real candles share one log wherever they came from: a moved file, or another source, must not forget the trials.
    origin = f"synthetic {data['source']}" if data["synthetic"] else "real"
    logged = TrialLog(settings.trials).record(data["symbol"], data["interval"], origin, trials.values())
    return assess_trials(trials[learned.selected], logged)


def _trial(name: str, learned: Learned, result: BacktestResult, metrics: Mapping[str, Any]) -> Trial:
    candles, position = learned.dataset.candles, learned.test_position
    scores = metrics["models"][name]["test"]
    returns = result.timing_returns
    block_ms, blocks = calendar_blocks(result.curve["time"].dt.epoch("ms").to_numpy(), returns)
    return Trial(
        configuration={key: value for key, value in metrics["settings"].items() if key not in _NO_CONFIGURATION},
        data_sha256=metrics["data"]["sha256"],
        start=utc(int(candles.open_time_ms[position[0]])),
        end=utc(int(candles.close_time_ms[position[-1]])),
        model=name,
        n=int(scores["n"]),
        auc_without_ties=float(scores["without_ties"]["roc_auc"]),
        log_loss=float(scores["log_loss"]),
        sharpe=sharpe_moments(returns),
        block_ms=block_ms,
        blocks=blocks,
    )
