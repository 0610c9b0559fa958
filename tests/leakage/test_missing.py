"""Values that are missing: a leak where the future decides it, counted and no more where the past does."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mlsignal.candles import Candles
from mlsignal.cleaning import clean
from mlsignal.dataset import build_dataset, last_returns
from mlsignal.evaluation.record import describe_rows
from mlsignal.features.feature import Feature, FeatureFrame, compute_features
from mlsignal.labels import Labels, direction_labels
from mlsignal.leakage.missing import check_missing
from mlsignal.leakage.suite import quick_audit
from mlsignal.learning.splits import holdout
from mlsignal.sim.market import Market
from tests.strategies import awkward_markets, make_candles, with_values

SHARED_FILES = ("BTCUSDT-1m", "ETHUSDT-1m", "ARBUSDT-1m", "SOLUSDT-15m", "ETHUSDT-1h")
Rule = Callable[[Candles], np.ndarray]


def where(rule: Rule) -> Rule:
    """Values that are missing where a rule holds."""
    return lambda candles: np.where(rule(candles), np.nan, candles.close)


def log_volume(candles: Candles) -> np.ndarray:
    with np.errstate(divide="ignore"):
        return np.log(candles.volume)


HONEST: dict[str, Rule] = {
    "log_volume": log_volume,
    "after_a_rise": where(lambda candles: last_returns(candles) > 0),
    "after_a_fall": where(lambda candles: last_returns(candles) < 0),
    "at_rest": where(lambda candles: last_returns(candles) == 0),
    "quiet": where(lambda candles: candles.volume < np.quantile(candles.volume, 0.2)),
    "closes_high": where(lambda candles: candles.close == candles.high),
    "in_stretches": where(lambda candles: np.arange(len(candles)) // 500 % 4 == 3),
}


def quietened(candles: Candles, share: float = 0.3) -> Candles:
    """The same candles, of which the quietest have no volume at all."""
    volume = np.where(candles.volume <= np.quantile(candles.volume, share), 0.0, candles.volume)
    return with_values(candles, volume=volume)


def frame_of(candles: Candles, values: np.ndarray, name: str = "column") -> FeatureFrame:
    return FeatureFrame(candles, (name,), values[:, None], 1)


def before_falls(labels: Labels, share: float, seed: int = 0) -> np.ndarray:
    """One, but NaN before a share of the falls."""
    falls = labels.known & ~labels.tie & (labels.up == 0)
    return np.where(falls & (np.random.default_rng(seed).random(len(falls)) < share), np.nan, 1.0)


@pytest.mark.parametrize("horizon", [1, 30])
@pytest.mark.parametrize("share", [0.1, 0.6])
def test_column_that_is_missing_before_falls_is_named(share: float, horizon: int) -> None:
    for candles in (Market(3).candles("ETHUSDT", "1m", 6_000), make_candles(6_000, gaps=(2_000,))):
        labels = direction_labels(candles, horizon)
        result = check_missing(frame_of(candles, before_falls(labels, share)), labels)
        assert [(found.culprit, found.severity) for found in result.findings] == [("column", "leak")]
        assert "0.0% of them rose" in result.findings[0].explanation


def test_quick_audit_names_the_column_whose_missing_values_know_the_label() -> None:
    candles = Market(3).candles("ETHUSDT", "1m", 6_000)
    known = dict(zip(candles.open_time_ms.tolist(), before_falls(direction_labels(candles), 0.6), strict=True))

    def told(given: Candles) -> np.ndarray:
        return given.close * [known.get(moment, 1.0) for moment in given.open_time_ms.tolist()]

    features = (Feature("told", told, 1, scale="price"),)
    frame, labels = compute_features(candles, features), direction_labels(candles)
    rows = build_dataset(frame, labels)
    report = quick_audit(frame, features, labels, rows, {"holdout": [holdout(rows)]})
    assert ("missing values", "told") in [(found.check, found.culprit) for found in report.findings]


@pytest.mark.parametrize("horizon", [1, 5, 60])
@pytest.mark.parametrize("rule", HONEST)
def test_honest_rule_is_not_accused_on_simulated_markets(rule: str, horizon: int) -> None:
    markets = [Market(seed).candles(symbol, "1m", 8_000) for seed in (1, 6) for symbol in ("BTCUSDT", "NULLUSDT")]
    coarse = make_candles(4_000, volatility=1e-4, tick=5.0)
    bouncing = with_values(
        coarse, close=np.where(np.random.default_rng(0).random(4_000) < 0.5, coarse.high, coarse.low)
    )
    for candles in (*markets, *awkward_markets(2_000).values(), coarse, bouncing):
        quiet = quietened(candles)
        result = check_missing(frame_of(quiet, HONEST[rule](quiet), rule), direction_labels(quiet, horizon))
        assert result.findings == ()


@pytest.mark.parametrize("file", SHARED_FILES)
def test_honest_rule_is_not_accused_on_real_candles(file: str, shared: Path) -> None:
    stored = pl.read_parquet(shared / f"data/spot/{file}.parquet")
    for part in (stored.head(20_000), stored.tail(20_000)):
        candles = quietened(clean(part, *file.split("-"))[0], 0.02)
        for name, rule in HONEST.items():
            for horizon in (1, 60):
                result = check_missing(frame_of(candles, rule(candles), name), direction_labels(candles, horizon))
                assert result.findings == ()


def test_rows_without_a_value_past_the_warm_up_are_counted_by_column() -> None:
    candles = quietened(make_candles(1_000, gaps=(400,)))
    features = (Feature("log_volume", log_volume, 1), Feature("slow", lambda given: given.close, 50))
    frame = compute_features(candles, features)
    values = frame.values.copy()
    values[[450, 700], 1] = np.inf
    labels = direction_labels(candles)
    dataset = build_dataset(replace(frame, values=values), labels)
    late = np.concatenate([np.arange(49, 399), np.arange(449, 999)])  # the last of a stretch has no label
    quiet = late[candles.volume[late] == 0]
    described = describe_rows(dataset, holdout(dataset), holdout(dataset))
    assert described["incomplete_columns"] == {"log_volume": len(quiet), "slow": 2}
    assert described["incomplete_rows"] == len(np.union1d(quiet, [450, 700])) == len(late) - len(dataset)


def test_rows_that_are_all_complete_leave_nothing_to_count() -> None:
    candles = make_candles(500)
    frame, labels = (
        compute_features(candles, [Feature("close", lambda given: given.close, 20)]),
        direction_labels(candles),
    )
    dataset = build_dataset(frame, labels)
    assert (dataset.incomplete_rows, dict(dataset.incomplete_columns)) == (0, {})
    assert check_missing(frame, labels).result == "passed"
    few = compute_features(candles[:60], [Feature("close", lambda given: given.close, 20)])
    assert check_missing(few, direction_labels(candles[:60])).result == "nothing to check"
