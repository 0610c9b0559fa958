"""From crypto candles to a trading signal that can be trusted.

The public names; each loads when it is first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mlsignal.version import __version__

if TYPE_CHECKING:
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
    from mlsignal.store.store import Store as Store
    from mlsignal.workflow import run as run

_HOMES = {
    "Bundle": "mlsignal.bundle",
    "Candles": "mlsignal.candles",
    "CleaningReport": "mlsignal.cleaning",
    "Dataset": "mlsignal.dataset",
    "Feature": "mlsignal.features.feature",
    "FeatureFrame": "mlsignal.features.feature",
    "Interval": "mlsignal.candles",
    "Labels": "mlsignal.labels",
    "MlSignalError": "mlsignal.errors",
    "RunResult": "mlsignal.experiment",
    "Settings": "mlsignal.config",
    "SignalModel": "mlsignal.learning.signal_model",
    "Store": "mlsignal.store.store",
    "build_dataset": "mlsignal.dataset",
    "clean": "mlsignal.cleaning",
    "compute_features": "mlsignal.features.feature",
    "direction_labels": "mlsignal.labels",
    "feature": "mlsignal.features.feature",
    "gather_candles": "mlsignal.gathering",
    "load_bundle": "mlsignal.bundle",
    "load_settings": "mlsignal.config",
    "open_source": "mlsignal.gathering",
    "run": "mlsignal.workflow",
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
