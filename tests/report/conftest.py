"""A realistic evaluation without a training run: weak, drifting predictions on a random walk with ties."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest

from mlsignal.candles import Candles, Interval
from mlsignal.evaluation.backtest import run_backtest
from mlsignal.evaluation.costs import choose_costs
from mlsignal.evaluation.positions import sign_targets
from mlsignal.evaluation.results import EvaluationReport, Importance
from mlsignal.labels import Labels, direction_labels
from mlsignal.metrics import score_model
from tests.report.judgement import judgement_of, told_of

FOLDS = 10
STRENGTH = {"logistic_regression": 0.085, "random_forest": 0.125}
FEATURES = (
    "return_1",
    "rsi14",
    "bollinger_percent_b",
    "macd_histogram",
    "open_close",
    "high_low",
    "log_volume",
    "ma50",
)


def random_walk(n: int = 3_000, symbol: str = "NULLUSDT", interval: str = "1m", seed: int = 3) -> Candles:
    """Return candles on a price lattice of .1, with a gap of 80 in the middle."""
    random = np.random.default_rng(seed)
    close = np.round(60_000 + np.cumsum(random.normal(0, 4, n).round(1)), 1)
    open_ = np.append(close[0], close[:-1])
    reach = random.exponential(3, (2, n)).round(1)
    grid = Interval.parse(interval)
    start = grid.floor(1_718_800_000_000)
    place = np.arange(n) + np.where(np.arange(n) > n // 2, 80, 0)
    times = [grid.next(start, int(steps)) for steps in place]
    frame = pl.DataFrame(
        {
            "open_time": pl.Series(times).cast(pl.Datetime("ms")).dt.replace_time_zone("UTC"),
            "open": open_,
            "high": np.maximum(open_, close) + reach[0],
            "low": np.minimum(open_, close) - reach[1],
            "close": close,
            "volume": random.exponential(10, n),
        }
    )
    return Candles.from_polars(frame, symbol, interval)


def fake_p_up(labels: Labels, strength: float, seed: int) -> np.ndarray:
    """Return probabilities that know a little about the label, less as time goes by."""
    random = np.random.default_rng(seed)
    n = len(labels.up)
    known = np.where(labels.tie, -0.6, 2.0 * labels.up - 1) * strength * np.linspace(1.4, 0.7, n)
    drift = 0.15 * np.sin(np.linspace(0, 9, n))
    return 1 / (1 + np.exp(-0.32 * (known + random.normal(0, 0.5, n) + drift)))


def with_intervals(scores: dict[str, Any]) -> dict[str, Any]:
    """Return scores with rough 95 % intervals beside them."""
    half = 1.96 * 0.5 / max(scores["n"], 1) ** 0.5
    names = ("roc_auc", "accuracy", "log_loss", "brier")
    scores["ci"] = {name: [scores[name] - half, scores[name] + half] for name in names}
    inner = scores["without_ties"]
    inner["ci"] = {name: [inner[name] - half, inner[name] + half] for name in ("roc_auc", "accuracy")}
    return scores


def cross_validation(fold_scores: list[dict[str, Any]]) -> dict[str, Any]:
    """Return mean, standard deviation and folds of each score."""
    names = ("f1_up", "accuracy", "balanced_accuracy", "roc_auc", "log_loss", "brier", "mcc")
    inner = ("roc_auc", "accuracy", "log_loss")
    columns = {name: [scores[name] for scores in fold_scores] for name in names}
    columns |= {f"without_ties.{name}": [scores["without_ties"][name] for scores in fold_scores] for name in inner}
    return {name: {"mean": float(np.mean(v)), "std": float(np.std(v)), "folds": v} for name, v in columns.items()}


def evaluation_of(
    candles: Candles, synthetic: bool = False, strength: Mapping[str, float] = STRENGTH
) -> EvaluationReport:
    """Return an evaluation of fake predictions of the last fifth of the candles, and of ten folds before it."""
    labels = direction_labels(candles)
    known = np.flatnonzero(labels.known)
    train, test = known[: int(len(known) * 0.8)], known[int(len(known) * 0.8) + 1 :]
    blocks = np.array_split(train, FOLDS + 1)[1:]
    frame, models, frames, said = candles.to_polars(), {}, [], {}
    for i, (model, s) in enumerate(strength.items()):
        p_up = fake_p_up(labels, s, seed=i)
        scored = [score_model(labels.up[b], labels.tie[b], p_up[b]) for b in blocks]
        of_test = with_intervals(score_model(labels.up[test], labels.tie[test], p_up[test]))
        said[model] = p_up
        models[model] = {"cv": cross_validation(scored), "test": of_test, **told_of(labels, train, test, p_up)}
        for fold, rows in [*((str(k), b) for k, b in enumerate(blocks, 1)), ("test", test)]:
            frames.append(
                frame[rows].select(
                    pl.lit(candles.symbol).alias("symbol"), "open_time", "close_time", pl.lit(fold).alias("fold"),
                    pl.lit(model).alias("model"), pl.Series("p_up", p_up[rows]),
                    pl.Series("label", labels.up[rows]), pl.Series("tie", labels.tie[rows]),
                )
            )  # fmt: skip
    selected = list(strength)[-1]
    p_up = fake_p_up(labels, strength[selected], len(strength) - 1)[test]
    costs = choose_costs("binance-spot")
    followed = run_backtest(candles, test, sign_targets(p_up), costs)
    decided = run_backtest(candles, test, np.where(np.abs(p_up - 0.5) > 0.1, sign_targets(p_up), 0), costs)
    metrics = metrics_of(candles, labels, train, test, synthetic) | {
        "selected": selected,
        "models": models,
        "baselines": baselines_of(candles, labels, test),
        "economics": followed.summary,
        "decision": {**decided.summary, "p": 0.4, "round_trip_bps": 21.5},
        **judgement_of(candles, labels, train, test, said),
    }
    importances = tuple(
        Importance(name, 0.021 * 0.55**k - 0.0006, 0.0015 + 0.0002 * k) for k, name in enumerate(FEATURES)
    )
    return EvaluationReport(metrics, pl.concat(frames), candles, importances, followed.curve, decided.curve)


def baselines_of(candles: Candles, labels: Labels, test: np.ndarray) -> dict[str, Any]:
    """Return the scores of the four rules that need no model."""
    y, tie = labels.up[test], labels.tie[test]
    share = float(labels.up[: test[0]].mean())
    rising = candles.close[test] > candles.open[test]
    rules = {"always_up": np.full(len(y), True), "majority": np.full(len(y), share > 0.5)}
    rules |= {"persistence": rising, "reversal": ~rising}
    constant = np.full(len(y), share)
    return {
        name: with_intervals(score_model(y, tie, constant, said, said.astype(np.float64)))
        for name, said in rules.items()
    }


def metrics_of(
    candles: Candles, labels: Labels, train: np.ndarray, test: np.ndarray, synthetic: bool
) -> dict[str, Any]:
    """Return what the metrics hold besides scores."""
    return {
        "schema_version": 1,
        "mlsignal_version": "0.1.0",
        "created": "2026-11-23T03:00:00+00:00",
        "data": {
            "symbol": candles.symbol, "interval": candles.interval.value, "source": "sim" if synthetic else "binance",
            "synthetic": synthetic, "candles": len(candles), "start": candles.start.isoformat(),
            "end": candles.end.isoformat(), "gaps": len(candles.gaps), "missing": sum(g.missing for g in candles.gaps),
            "sha256": "4c0fe1" * 10 + "93ab", "rows": len(train) + len(test) + 1, "train_rows": len(train),
            "purged_rows": 1, "test_rows": len(test), "tie_share": float(labels.tie[labels.known].mean()),
            "test_tie_share": float(labels.tie[test].mean()),
            "up_share": float(labels.up[labels.known].mean()), "outlier_share": {"train": 0.026, "test": 0.024},
            "cleaning": {"rows_in": len(candles), "rows_out": len(candles), "identical_duplicates": 0,
                         "conflicting_duplicates": 0, "out_of_order": 0, "off_grid": 0,
                         "impossible": {"low is above open or close": 2},
                         "gaps": [{"first_missing": "2024-06-20T13:26:00+00:00",
                                   "last_missing": "2024-06-20T14:45:00+00:00", "missing": 80}]},
        },
        "settings": {
            "features": ["classic"], "feature_file": None, "horizon": 1, "ties": "down", "outliers": "remove",
            "folds": 10, "test_share": 0.2, "select_by": "f1_up", "models": list(STRENGTH), "seed": 0,
            "engine": "plain", "trees": 100, "fee_bps": 10.0,
            "command": "mlsignal run --symbol BTCUSDT --interval 1m --lookback-candles 50000",
        },
        "versions": {"python": "3.11.7", "numpy": "2.4.1", "polars": "2.0.3", "scikit-learn": "1.9.1"},
        "verdict": {
            "edge": False, "predictive": {"edge": False, "p": 0.21}, "economic": {"edge": None, "p": None},
            "text": "No predictive edge is shown. On the test span the random forest ranks moved "
            "candles with an AUC of 0.535, where guessing has 0.5 and the best baseline 0.512. After a fee of 10 bps "
            "a side nothing is left of it: the signal breaks even at 0.31 bps.",
        },
        "seconds": {"fetch": 0.31, "features": 0.05, "cv": 3.42, "fit": 0.61, "evaluate": 0.7, "total": 6.2},
    }  # fmt: skip


@pytest.fixture(scope="session")
def evaluation() -> EvaluationReport:
    """An ordinary evaluation."""
    return evaluation_of(random_walk())


@pytest.fixture(scope="session")
def build() -> Callable[..., EvaluationReport]:
    """The builder, for evaluations that are out of the ordinary."""

    def of(n: int = 1_200, symbol: str = "NULLUSDT", interval: str = "1m", synthetic: bool = False) -> EvaluationReport:
        return evaluation_of(random_walk(n, symbol, interval), synthetic)

    return of
