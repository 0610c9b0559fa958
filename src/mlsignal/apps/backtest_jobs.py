"""What ``mlsignal backtest`` does: a bundle's signals through candles that it has not been trained on."""

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np

from mlsignal.apps.messages import SYNTHETIC_NOTE, print_note
from mlsignal.apps.terminal import MISSING, StageProgress, output, print_json, print_table
from mlsignal.bundle import Bundle, load_bundle
from mlsignal.candles import Candles, Floats, Times, utc
from mlsignal.config import Settings
from mlsignal.errors import ConfigurationError, ModelError, TooFewCandlesError
from mlsignal.evaluation.backtest import BacktestResult, run_backtest
from mlsignal.evaluation.costs import Costs, costs_of, recent_volatility
from mlsignal.evaluation.decision import DecisionRule
from mlsignal.evaluation.money import expected_round_trip
from mlsignal.evaluation.performance import candle_returns, deepest_drawdown, drawdowns, ratios
from mlsignal.evaluation.positions import sign_targets
from mlsignal.evaluation.record import without_nan
from mlsignal.exporting import write_table
from mlsignal.gathering import GatheredCandles, gather_candles

_LEARNT = "what a model earns where it has learnt says nothing of what it will earn"
_COLUMNS = (("after costs", "net"), ("before costs", "gross"), ("buy and hold", "buy_and_hold"))


def targets_of_every_signal(bundle: Bundle, costs: Costs, candles: Candles, p_up: Floats) -> Floats:
    """Go long above .5 and short below, whatever the costs."""
    del bundle, costs, candles
    return sign_targets(p_up)


def targets_worth_their_cost(bundle: Bundle, costs: Costs, candles: Candles, p_up: Floats) -> Floats:
    """Trade only where the expected gain exceeds the round trip's cost, by the rule learnt in training.

    Raises
    ------
    ModelError
        If the bundle has no such rule.
    """
    told = bundle.manifest.get("decision")
    if told is None:
        raise ModelError("bundle: it holds no rule for decisions, an older version made it; train again")
    volatility = recent_volatility(candles)
    round_trip = expected_round_trip(candles, costs, volatility)
    row = candles.segment_ids + np.arange(len(candles))  # a gap is a step of more than one
    return DecisionRule.from_dict(told).targets(p_up, volatility, round_trip, row)


WAYS = {"every": targets_of_every_signal, "worth": targets_worth_their_cost}
"""What is traded: every signal, or only what is worth its cost."""


def backtest_job(
    settings_with: Callable[[Mapping[str, Any]], Settings],
    given: Mapping[str, Any],
    bundle_path: Path,
    *,
    include_training: bool = False,
    trades_file: Path | None = None,
    curve_file: Path | None = None,
    as_json: bool = False,
    trade: str = "every",
) -> None:
    """Backtest a bundle; its symbol, interval and horizon are used where none are given."""
    if trade not in WAYS:
        raise ConfigurationError(f"trade: expected {' or '.join(WAYS)}, found {trade!r}")
    bundle = load_bundle(bundle_path, given.get("feature_file"))
    settings = _settings_of_bundle(settings_with, given, bundle)
    costs = costs_of(settings)
    with StageProgress(quiet=as_json) as progress:
        gathered = gather_candles(settings, on_progress=progress.candles)
    candles = gathered.candles
    p_up = bundle.predict(candles)["p_up"].to_numpy()
    position, seen = _to_trade(candles, bundle, p_up, include_training=include_training)
    if settings.symbol != bundle.symbol:
        print_note(f"note: the bundle was trained on {bundle.symbol}, not on {settings.symbol}")
    if gathered.synthetic:
        print_note(SYNTHETIC_NOTE)
    rules: dict[str, Any] = {"hold": settings.hold, "horizon": settings.horizon, "sizing": settings.sizing}
    target = WAYS[trade](bundle, costs, candles, p_up)[position]
    result = run_backtest(candles, position, target, costs, **rules, notional=settings.notional)
    for frame, file in ((result.trades, trades_file), (result.curve, curve_file)):
        if file is not None:
            write_table(frame, file)
    facts = {
        **_describe(gathered, bundle, result),
        "signals": len(position),
        "trade": trade,
        "training": {**bundle.manifest["training"], "candles_in_it": seen, "included": include_training},
        "economics": result.summary,
        "trades_file": None if trades_file is None else str(trades_file),
        "curve_file": None if curve_file is None else str(curve_file),
    }
    if as_json:
        print_json(without_nan(facts))
    else:
        _show(facts, result, candles.interval.per_year)


def _settings_of_bundle(
    settings_with: Callable[[Mapping[str, Any]], Settings], given: Mapping[str, Any], bundle: Bundle
) -> Settings:
    known = {
        "symbol": given.get("symbol") or bundle.symbol,
        "interval": given.get("interval") or bundle.interval,
        "horizon": int(bundle.manifest["label"]["horizon"]),
    }
    settings = settings_with(known)
    if settings.interval != bundle.interval:
        raise ConfigurationError(
            f"interval: the bundle was trained on {bundle.interval} candles, found {settings.interval}"
        )
    return settings


def _to_trade(candles: Candles, bundle: Bundle, p_up: Floats, *, include_training: bool) -> tuple[Times, int]:
    """Return the positions to trade, and how many scored candles the training has seen; say what becomes of those."""
    position = np.flatnonzero(np.isfinite(p_up))
    seen = position < first_unseen(candles, bundle)
    count, span = int(seen.sum()), _training_span(bundle)
    if count and include_training:
        print_note(f"WARNING: {count:,} of these candles lie before the end of the training ({span}): {_LEARNT}")
    elif count:
        print_note(
            f"note: {count:,} candles up to the end of the training ({span}) are left out; "
            "--include-training trades them too"
        )
    kept = position if include_training else position[~seen]
    if not len(kept):
        raise TooFewCandlesError(_nothing_to_trade(candles, bundle, span, scored=len(position)))
    return kept, count


def _describe(gathered: GatheredCandles, bundle: Bundle, result: BacktestResult) -> dict[str, Any]:
    time = result.curve["time"]
    return {
        "symbol": gathered.candles.symbol,
        "interval": gathered.candles.interval.value,
        "synthetic": gathered.synthetic,
        "model": bundle.manifest["model"].get("name"),
        "start": time[0].isoformat(timespec="milliseconds"),
        "end": time[-1].isoformat(timespec="milliseconds"),
    }


def first_unseen(candles: Candles, bundle: Bundle) -> int:
    """Return the position of the first candle that neither a training row nor the span of its label has seen."""
    end_ms = int(datetime.fromisoformat(bundle.manifest["training"]["end"]).timestamp() * 1000)
    last_open = candles.interval.floor(end_ms)
    horizon = int(bundle.manifest["label"]["horizon"])
    return int(np.searchsorted(candles.open_time_ms, candles.interval.next(last_open, horizon), side="right"))


def _training_span(bundle: Bundle) -> str:
    training = bundle.manifest["training"]
    return f"{training['start'][:16].replace('T', ' ')} to {training['end'][:16].replace('T', ' ')} UTC"


def _nothing_to_trade(candles: Candles, bundle: Bundle, span: str, *, scored: int) -> str:
    if not scored:
        return (
            f"backtest: candles past a warm-up of {bundle.lookback} expected, found {len(candles)} candles; give more "
            "(--lookback-candles)"
        )
    return (
        f"backtest: candles after the training ({span}) expected, found none after "
        f"{utc(int(candles.close_time_ms[-1])):%Y-%m-%d %H:%M} UTC; give newer ones, or --include-training"
    )


def _show(facts: Mapping[str, Any], result: BacktestResult, per_year: float) -> None:
    console = output()
    console.print(
        f"{facts['symbol']} {facts['interval']}, {facts['model']}: {facts['start'][:16].replace('T', ' ')} to "
        f"{facts['end'][:16].replace('T', ' ')} UTC, {result.curve.height:,} candles",
        style="bold",
        highlight=False,
    )
    print_table(console, ["", *(title for title, _ in _COLUMNS)], _beside(result, per_year), frozenset({1, 2, 3}))
    console.print()
    print_table(console, ["what it took", ""], _facts(result.summary), frozenset({1}))
    if result.summary["ruined"]:
        console.print("The account was ruined: nothing was left before the end.", style="bold")
    if result.summary["liquidity"] == "maker":
        console.print("A maker's order is not always filled, and this takes it to be: an upper bound.")


def _beside(result: BacktestResult, per_year: float) -> list[list[str]]:
    rows: dict[str, list[str]] = {"return": [], "Sharpe": [], "Sortino": [], "volatility": [], "max drawdown": []}
    for _, name in _COLUMNS:
        values = result.curve[name].to_numpy()
        sharpe, sortino, volatility = ratios(candle_returns(values), per_year)
        rows["return"].append(_percent(float(values[-1]) - 1))
        rows["Sharpe"].append(_number(sharpe))
        rows["Sortino"].append(_number(sortino))
        rows["volatility"].append(_percent(volatility))
        rows["max drawdown"].append(_percent(deepest_drawdown(drawdowns(values))[0]))
    return [[name, *cells] for name, cells in rows.items()]


def _facts(found: Mapping[str, Any]) -> list[list[str]]:
    capacity = found["capacity_notional"]
    return [
        ["costs", str(found["costs"])],
        ["fee and half spread of a side", f"{found['fee_bps']:g} + {found['half_spread_bps']:g} bps"],
        ["paid for a side, all in all", f"{_number(found['mean_cost_bps'])} bps"],
        ["break-even cost of a side", f"{found['break_even_fee_bps']:.2f} bps"],
        ["trades", f"{found['trades']:,}"],
        ["won, after costs", _percent(found["hit_rate"])],
        ["average win", _percent(found["average_win"], 3)],
        ["average loss", _percent(found["average_loss"], 3)],
        ["turnover, times the equity", f"{found['turnover']:,.1f}"],
        ["candles with a position", _percent(found["exposure_share"])],
        ["deepest drawdown, peak to recovery or end", f"{found['max_drawdown_candles']:,} candles"],
        [
            f"account whose median order takes {found['capacity_share']:.0%} of a candle",
            f"{capacity:,.0f}" if np.isfinite(capacity) else MISSING,
        ],
    ]


def _percent(value: float, digits: int = 2) -> str:
    return f"{100 * value:,.{digits}f} %" if np.isfinite(value) else MISSING


def _number(value: float) -> str:
    return f"{value:,.2f}" if np.isfinite(value) else MISSING
