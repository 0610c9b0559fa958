"""The numbers behind the figures, against slow and obvious counts."""

import numpy as np
import polars as pl
import pytest
from scipy.stats import binomtest

from mlsignal.evaluation.results import EvaluationReport
from mlsignal.metrics import roc_auc
from mlsignal.report.axes import Axis, Scale, limits, log_axis, round_ticks, time_ticks
from mlsignal.report.figures.calibration import reliability
from mlsignal.report.figures.equity import MOST_POINTS, equity_curves
from mlsignal.report.figures.folds import always_up_f1
from mlsignal.report.figures.price import recent_stretch
from mlsignal.report.figures.roc import roc_curve
from mlsignal.report.story import ScoredRows, Story


def rows_of(p_up: np.ndarray, label: np.ndarray) -> ScoredRows:
    return ScoredRows(np.arange(len(p_up)), p_up, label.astype(np.int8), np.zeros(len(p_up), dtype=np.bool_))


def test_roc_curve_with_equal_probabilities_has_the_area_of_the_metrics() -> None:
    random = np.random.default_rng(0)
    p_up, label = random.integers(0, 8, 500) / 8, random.integers(0, 2, 500)
    curve = roc_curve(rows_of(p_up, label))
    assert curve is not None
    assert np.trapezoid(curve[1], curve[0]) == pytest.approx(roc_auc(label.astype(np.int8), p_up), abs=1e-12)


def test_reliability_intervals_are_those_of_wilson() -> None:
    random = np.random.default_rng(1)
    p_up = random.random(400)
    label = (random.random(400) < p_up).astype(np.float64)
    found = reliability(p_up, label)
    assert found.n.sum() == 400
    assert found.n.min() >= 39
    for n, share, low, high in zip(found.n, found.came_true, found.low, found.high, strict=True):
        expected = binomtest(round(n * share), int(n)).proportion_ci(method="wilson")
        assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-6)


def test_always_up_f1_of_a_fold_is_counted_from_its_labels(evaluation: EvaluationReport) -> None:
    story = Story(evaluation)
    of_fold = evaluation.predictions.filter((pl.col("fold") == "3") & (pl.col("model") == "random_forest"))
    up = of_fold["label"].mean()
    assert always_up_f1(story, 10)[2] == pytest.approx(2 * up / (1 + up))


def test_recent_stretch_puts_each_prediction_at_the_candle_that_decides_it(evaluation: EvaluationReport) -> None:
    stretch = recent_stretch(Story(evaluation), 240)
    assert stretch is not None
    assert len(stretch.candles) <= 240
    close = stretch.candles.close
    inner = stretch.place > 0
    rose = close[stretch.place[inner]] > close[stretch.place[inner] - 1]
    said_up = stretch.p_up[inner] > 0.5
    np.testing.assert_array_equal(stretch.right[inner], rose == said_up)


def test_recent_stretch_of_a_short_test_span_starts_just_before_it(build) -> None:
    story = Story(build(n=300))
    stretch = recent_stretch(story, 240)
    assert stretch is not None
    assert stretch.place.min() == 10


def test_equity_curves_of_many_rows_keep_their_ends() -> None:
    times = pl.datetime_range(pl.datetime(2024, 1, 1), pl.datetime(2024, 2, 1), "10m", time_zone="UTC", eager=True)
    frame = pl.DataFrame({"time": times, "net": np.linspace(1, 2, len(times))})
    found = equity_curves(frame)
    assert found is not None
    assert len(found[0]) <= MOST_POINTS
    assert found[1]["net"][[0, -1]].tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3e-7, 2e-7), (59_999.9, 60_000.1), (1e-8, 3e-8), (-5e6, 7e9)])
def test_round_ticks_lie_within_the_limits_and_read_apart(low: float, high: float) -> None:
    ticks = round_ticks(low, high, 5)
    room = 1e-9 * (high - low)
    assert 2 <= len(ticks) <= 7
    assert all(low - room <= value <= high + room for value, _ in ticks)
    assert len({label for _, label in ticks}) == len(ticks)


@pytest.mark.parametrize("values", [[], [np.nan], [2.0, 2.0], [0.0], [1e12, 1e12]])
def test_limits_are_never_empty(values: list[float]) -> None:
    low, high = limits(np.array(values, dtype=np.float64))
    assert low < high


@pytest.mark.parametrize("days", [0.001, 0.02, 0.4, 3, 20, 90, 700, 4_000])
def test_time_ticks_of_any_span_are_few_and_within_it(days: float) -> None:
    first = 1_718_800_123_000.0
    last = first + days * 86_400_000
    ticks = time_ticks(first, last, 8)
    assert 1 <= len(ticks) <= 10
    assert all(first <= time <= last for time, _ in ticks)


@pytest.mark.parametrize("low", [0.3, 1e-3, 1e-9])
def test_log_axis_has_ticks_that_read_apart(low: float) -> None:
    axis: Axis = log_axis(low, 2.0)
    assert 2 <= len(axis.ticks) <= 9
    assert len({label for _, label in axis.ticks}) == len(axis.ticks)


def test_scale_on_a_logarithm_puts_the_geometric_mean_in_the_middle() -> None:
    assert Scale(0.01, 100, 0, 200, log=True).at(1.0) == pytest.approx(100)
