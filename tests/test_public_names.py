"""The public names, pinned: a change here is a change that users see."""

import subprocess
import sys

import pytest

import mlsignal

NAMES = [
    "__version__",
    "AuditReport",
    "BacktestResult",
    "Bundle",
    "Candles",
    "CleaningReport",
    "CombinatorialPurgedSplit",
    "Costs",
    "Dataset",
    "Feature",
    "FeatureFrame",
    "HoldoutSplit",
    "Interval",
    "Labels",
    "MlSignalError",
    "PurgedTimeSeriesSplit",
    "RunResult",
    "Settings",
    "SignalModel",
    "Store",
    "TrialLog",
    "WalkForwardSplit",
    "audit_run",
    "break_even",
    "build_dataset",
    "choose_costs",
    "clean",
    "compute_features",
    "direction_labels",
    "feature",
    "gather_candles",
    "load_bundle",
    "load_settings",
    "open_source",
    "run",
    "run_backtest",
    "select_features",
]


def test_public_names_are_these() -> None:
    assert mlsignal.__all__ == NAMES
    assert all(getattr(mlsignal, name) is not None for name in NAMES)


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, mlsignal; print({'numpy', 'polars', 'sklearn', 'pydantic', 'talib'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = mlsignal.nothing
