"""From crypto candles to a trading signal that can be trusted.

The public names; each loads when it is first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlsignal.version import __version__

if TYPE_CHECKING:
    from mlsignal.audit import AuditReport as AuditReport
    from mlsignal.audit import audit_run as audit_run
    from mlsignal.bundle import Bundle as Bundle
    from mlsignal.bundle import load_bundle as load_bundle
    from mlsignal.candles import Candles as Candles
    from mlsignal.candles import Interval as Interval
    from mlsignal.cleaning import CleaningReport as CleaningReport
    from mlsignal.cleaning import clean as clean
    from mlsignal.config import Settings as Settings
    from mlsignal.config import load_settings as load_settings
    from mlsignal.dataset import Dataset as Dataset
    from mlsignal.dataset import build_dataset as build_dataset
    from mlsignal.errors import MlSignalError as MlSignalError
    from mlsignal.evaluation.backtest import BacktestResult as BacktestResult
    from mlsignal.evaluation.backtest import run_backtest as run_backtest
    from mlsignal.evaluation.breakeven import break_even as break_even
    from mlsignal.evaluation.costs import Costs as Costs
    from mlsignal.evaluation.costs import choose_costs as choose_costs
    from mlsignal.evaluation.trial_log import TrialLog as TrialLog
    from mlsignal.experiment import RunResult as RunResult
    from mlsignal.features.feature import Feature as Feature
    from mlsignal.features.feature import FeatureFrame as FeatureFrame
    from mlsignal.features.feature import compute_features as compute_features
    from mlsignal.features.feature import feature as feature
    from mlsignal.features.sets import select_features as select_features
    from mlsignal.gathering import gather_candles as gather_candles
    from mlsignal.gathering import open_source as open_source
    from mlsignal.labels import Labels as Labels
    from mlsignal.labels import direction_labels as direction_labels
    from mlsignal.learning.signal_model import SignalModel as SignalModel
    from mlsignal.learning.splitters import CombinatorialPurgedSplit as CombinatorialPurgedSplit
    from mlsignal.learning.splitters import HoldoutSplit as HoldoutSplit
    from mlsignal.learning.splitters import PurgedTimeSeriesSplit as PurgedTimeSeriesSplit
    from mlsignal.learning.splitters import WalkForwardSplit as WalkForwardSplit
    from mlsignal.store.store import Store as Store
    from mlsignal.workflow import run as run

_HOMES = {
    "AuditReport": "mlsignal.audit",
    "BacktestResult": "mlsignal.evaluation.backtest",
    "Bundle": "mlsignal.bundle",
    "Candles": "mlsignal.candles",
    "CleaningReport": "mlsignal.cleaning",
    "CombinatorialPurgedSplit": "mlsignal.learning.splitters",
    "Costs": "mlsignal.evaluation.costs",
    "Dataset": "mlsignal.dataset",
    "Feature": "mlsignal.features.feature",
    "FeatureFrame": "mlsignal.features.feature",
    "HoldoutSplit": "mlsignal.learning.splitters",
    "Interval": "mlsignal.candles",
    "Labels": "mlsignal.labels",
    "MlSignalError": "mlsignal.errors",
    "PurgedTimeSeriesSplit": "mlsignal.learning.splitters",
    "RunResult": "mlsignal.experiment",
    "Settings": "mlsignal.config",
    "SignalModel": "mlsignal.learning.signal_model",
    "Store": "mlsignal.store.store",
    "TrialLog": "mlsignal.evaluation.trial_log",
    "WalkForwardSplit": "mlsignal.learning.splitters",
    "audit_run": "mlsignal.audit",
    "break_even": "mlsignal.evaluation.breakeven",
    "build_dataset": "mlsignal.dataset",
    "choose_costs": "mlsignal.evaluation.costs",
    "clean": "mlsignal.cleaning",
    "compute_features": "mlsignal.features.feature",
    "direction_labels": "mlsignal.labels",
    "feature": "mlsignal.features.feature",
    "gather_candles": "mlsignal.gathering",
    "load_bundle": "mlsignal.bundle",
    "load_settings": "mlsignal.config",
    "open_source": "mlsignal.gathering",
    "run": "mlsignal.workflow",
    "run_backtest": "mlsignal.evaluation.backtest",
    "select_features": "mlsignal.features.sets",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mlsignal' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
