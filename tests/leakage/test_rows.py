"""Labels, folds, duplicates and fits: what is wrong is named, what is right is not."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mlsignal.candles import Candles
from mlsignal.dataset import Dataset, build_dataset
from mlsignal.features.classic import CLASSIC
from mlsignal.features.feature import Feature, compute_features
from mlsignal.labels import direction_labels
from mlsignal.leakage import fitting
from mlsignal.leakage.fitting import check_fitting
from mlsignal.leakage.folds import check_duplicates, check_overlap, check_shared
from mlsignal.leakage.labelling import check_label_spans, check_labels
from mlsignal.leakage.suite import quick_audit
from mlsignal.learning.models import ModelContext, build_model
from mlsignal.learning.outliers import Fence
from mlsignal.learning.splits import Fold, holdout, time_series_folds
from mlsignal.learning.training import TrainingOptions
from tests.strategies import awkward_markets, constant, make_candles, with_values


def dataset_of(candles: Candles, horizon: int = 1) -> Dataset:
    return build_dataset(compute_features(candles, CLASSIC), direction_labels(candles, horizon))


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return dataset_of(make_candles(2_000, gaps=(900,)), horizon=5)


@pytest.mark.parametrize("horizon", [1, 7])
@pytest.mark.parametrize("name", awkward_markets())
def test_labels_of_awkward_markets_pass(name: str, horizon: int) -> None:
    candles = awkward_markets()[name]
    assert check_labels(candles, direction_labels(candles, horizon)).findings == ()


@pytest.mark.parametrize("part", ["known", "up", "tie", "span_end", "forward_return"])
def test_labels_with_one_wrong_entry_are_found(part: str) -> None:
    candles = make_candles(500, gaps=(200,))
    labels = direction_labels(candles, 3)
    changed = getattr(labels, part).copy()
    changed[123] = not changed[123] if changed.dtype == np.bool_ else 1 - changed[123]
    findings = check_labels(candles, replace(labels, **{part: changed})).findings
    assert [finding.culprit for finding in findings] == [part]
    assert "1 labels" in findings[0].explanation


def test_label_that_spans_a_gap_is_found(dataset: Dataset) -> None:
    assert check_label_spans(dataset).findings == ()
    before_gap = int(np.searchsorted(dataset.position, 900)) - 1
    longer = dataset.span_end.copy()
    longer[before_gap] += 1
    findings = check_label_spans(replace(dataset, span_end=longer)).findings
    assert [finding.culprit for finding in findings] == ["span_end"]
    assert "1 label spans cross a gap" in findings[0].explanation


def naive_overlap(dataset: Dataset, fold: Fold) -> list[int]:
    spans = [range(dataset.position[row], dataset.span_end[row] + 1) for row in fold.test]
    tested = {candle for span in spans for candle in span}
    return [int(row) for row in fold.train if tested & set(range(dataset.position[row], dataset.span_end[row] + 1))]


def test_folds_of_the_package_keep_their_sides_apart(dataset: Dataset) -> None:
    split = holdout(dataset)
    folds = {str(number): fold for number, fold in enumerate([split, *time_series_folds(dataset, split.train)])}
    for check in (check_overlap, check_shared, check_duplicates):
        result = check(dataset, folds)
        assert result.findings == ()
        assert result.count == 11


@pytest.mark.parametrize("first", [0, 400, 1_100])
def test_overlap_is_that_of_the_naive_count(dataset: Dataset, first: int) -> None:
    test = np.arange(first, first + 100)
    fold = Fold(np.setdiff1d(np.arange(len(dataset)), test), test, 0)
    findings = check_overlap(dataset, {"fold": fold}).findings
    assert f"of {len(naive_overlap(dataset, fold))} training rows" in findings[0].explanation
    wide = Fold(np.setdiff1d(np.arange(len(dataset)), np.arange(max(0, first - 6), first + 106)), test, 0)
    assert naive_overlap(dataset, wide) == []
    assert check_overlap(dataset, {"fold": wide}).findings == ()


def test_unpurged_fold_is_named(dataset: Dataset) -> None:
    split = holdout(dataset)
    unpurged = Fold(np.arange(split.test[0]), split.test, 0)
    findings = check_overlap(dataset, {"good": split, "bad": unpurged}).findings
    assert [finding.culprit for finding in findings] == ["bad"]


def test_shared_candle_is_named(dataset: Dataset) -> None:
    split = holdout(dataset)
    findings = check_shared(dataset, {"bad": Fold(np.append(split.train, split.test[3]), split.test, 0)}).findings
    assert [finding.culprit for finding in findings] == ["bad"]
    assert "1 candles" in findings[0].explanation


def test_repeated_stretch_of_candles_is_found() -> None:
    plain = make_candles(3_000)
    columns = {name: plain.column(name).copy() for name in plain.columns}
    for column in columns.values():
        column[2_400:2_900] = column[1_000:1_500]
    dataset = dataset_of(with_values(plain, **columns))
    findings = check_duplicates(dataset, {"holdout": holdout(dataset)}).findings
    assert [finding.culprit for finding in findings] == ["holdout"]
    assert "test rows repeat training rows" in findings[0].explanation


def test_halted_market_repeats_no_rows() -> None:
    candles = constant(constant(make_candles(3_000), slice(500, 1_200)), slice(2_500, 2_900))
    dataset = dataset_of(candles)
    assert check_duplicates(dataset, {"holdout": holdout(dataset)}).findings == ()


def test_coarse_features_repeat_by_chance_only() -> None:
    candles = make_candles(3_000, price=1.0, tick=1e-2)
    coarse = with_values(candles, **{name: np.ones(3_000) for name in candles.columns[4:]})
    direction = Feature("direction", lambda given: np.sign(given.close - given.open), 1)
    dataset = build_dataset(compute_features(coarse, [direction]), direction_labels(coarse))
    assert check_duplicates(dataset, {"holdout": holdout(dataset)}).findings == ()


def test_models_of_the_package_learn_from_training_rows_only(dataset: Dataset) -> None:
    split = holdout(dataset)
    for outliers in ("remove", "winsorise", "none"):
        options = TrainingOptions(outliers, n_trees=3)
        models = ["logistic_regression", "random_forest"]
        result = check_fitting(dataset, {"holdout": split}, models, options, seed=0)
        assert result.findings == ()
        assert result.count == 2


def test_model_that_sees_all_rows_is_named(dataset: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def fenced_by_all_rows(name: str, rows: Dataset, train: np.ndarray, options: TrainingOptions) -> Any:
        kept = train[~Fence.fit(rows.last_return, 1.0).outside(rows.last_return[train])]
        return build_model(name, ModelContext(len(kept))).fit(rows.X[kept], rows.y[kept])

    monkeypatch.setattr(fitting, "fit_model", fenced_by_all_rows)
    folds = {"holdout": holdout(dataset)}
    result = check_fitting(dataset, folds, ["logistic_regression"], TrainingOptions(), seed=0)
    assert [finding.culprit for finding in result.findings] == ["logistic_regression"]


def test_quick_audit_passes_what_ships_and_names_what_cheats() -> None:
    candles = make_candles(6_000, gaps=(3_000,))
    ahead = Feature("ahead", lambda given: np.append(given.close[1:], given.close[-1:]), 1, scale="price")
    for features, culprits in ((CLASSIC, ()), ((*CLASSIC, ahead), ("ahead",))):
        frame, labels = compute_features(candles, features), direction_labels(candles)
        rows = build_dataset(frame, labels)
        split = holdout(rows)
        folds = {"holdout": [split], "time series": time_series_folds(rows, split.train)}
        report = quick_audit(frame, features, labels, rows, folds)
        assert report.culprits == culprits
        assert set(report.to_dict()) == {"checks", "findings"}


def test_quick_audit_lets_a_feature_go_that_fails_on_its_sample() -> None:
    candles = make_candles(6_000)

    def needs_many(given: Candles) -> np.ndarray:
        if len(given) < 5_000:
            raise ValueError("too short")
        return given.close

    features = (*CLASSIC, Feature("needs_many", needs_many, {"needs_many": 1}))
    frame, labels = compute_features(candles, features), direction_labels(candles)
    rows = build_dataset(frame, labels)
    # It is no function of its lookback of one candle: that is what it is named for.
    assert quick_audit(frame, features, labels, rows, {"holdout": [holdout(rows)]}).culprits == ("needs_many",)
