"""What following the signals would have earned, and what that takes for granted."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from mlsignal.report.blocks import Block, Facts, Section, Text
from mlsignal.report.figures.equity import draw_equity
from mlsignal.report.numbers import MISSING, basis_points, count, finite, p_value, percent, score
from mlsignal.report.sections.charts import chart
from mlsignal.report.story import Story

_HOLDS = {
    "signal": "held as long as the signals say so",
    "flip": "held until an opposite signal",
    "horizon": "held for {horizon} from the newest signal of its side",
}
_ALWAYS_MODELLED = ("the fee", "half the spread", "slippage in proportion to the recent volatility")
_NEVER_MODELLED = (
    "orders that are filled in part or not at all",
    "outages of the exchange",
    "the interest on what is borrowed for a short",
    "taxes",
)


def backtest_section(story: Story) -> Section:
    """Return equity and drawdown before and after costs, the figures, and what is not modelled."""
    found = story.mapping("economics")
    caption = (
        "Costs are paid on everything that is traded; from long to short trades two sides. Below, how far the account "
        "after costs lies under its highest value so far. A strategy without trades stays at 1."
    )
    blocks: tuple[Block, ...] = chart(
        story,
        "equity",
        "Equity on the test span",
        caption,
        draw_equity,
        "There is no equity curve: nothing was traded.",
    )
    blocks += (_earned(found), _traded(found), _assumed(found), *_warnings(found), Text(_limits(found)))
    return Section("equity", "Before and after costs", _told(found), blocks)


def decision_section(story: Story) -> Section:
    """Return the same of trading only what is expected to earn its cost."""
    told = (
        "The same model, but a position is taken only where the gain that it is expected to make, (2p − 1) times the "
        "mean move at the recent volatility, exceeds the cost of a round trip; it is kept as long as any gain on its "
        "side is expected. The probability p is calibrated, and how far prices move is learnt, on training rows. The "
        "claim of an edge after costs rests on this."
    )
    found = story.mapping("decision")
    if not found:
        return Section("decision", "Trading what is worth its cost", told, (Text("There is no such decision."),))
    round_trip = basis_points(found.get("round_trip_bps"))
    if not finite(found.get("trades")):
        nothing = (
            f"On no candle of the test span did the expected gain exceed the cost of a round trip, {round_trip} on "
            "average: nothing was traded. For these signals at these costs, that is the answer."
        )
        return Section("decision", "Trading what is worth its cost", told, (Text(nothing),))
    evaluation = story.evaluation
    decided = Story(replace(evaluation, equity=evaluation.decided, metrics={**story.metrics, "economics": found}))
    title = "Equity of trading what is worth its cost"
    caption = "Flat wherever no gain beyond the cost is expected."
    figure = chart(decided, "decision", title, caption, draw_equity, "There is no equity curve.")
    certainty = Facts(
        (("Round trip", round_trip), ("Earns nothing: chance of seeing this", p_value(found.get("p")))), "Certainty"
    )
    blocks: tuple[Block, ...] = (*figure, _earned(found), _traded(found), certainty, *_warnings(found))
    return Section("decision", "Trading what is worth its cost", told, blocks)


def _told(found: Mapping[str, Any]) -> str:
    horizon = finite(found.get("horizon"))
    candles = "one candle" if horizon == 1 else f"{count(horizon)} candles"
    hold = _HOLDS.get(str(found.get("hold")), _HOLDS["signal"]).format(horizon=candles)
    late = finite(found.get("latency_candles")) or 0
    when = f"{count(late)} candles after the next open" if late else "at the open of the next candle"
    size = (
        "The size of a position aims at a constant volatility, as known when it is taken. "
        if found.get("sizing") == "volatility"
        else ""
    )
    return (
        f"Each signal is followed {when}, never within its own candle, and {hold}; flat across gaps. {size}Between "
        "orders a position drifts with the price: nothing is rebalanced for free."
    )


def _earned(found: Mapping[str, Any]) -> Facts:
    length = finite(found.get("max_drawdown_candles"))
    return Facts(
        (
            ("Return after costs", percent(found.get("net_return"), signed=True)),
            ("Return before costs", percent(found.get("gross_return"), signed=True)),
            ("Buy and hold", percent(found.get("buy_and_hold_return"), signed=True)),
            ("Break-even cost of a side", basis_points(found.get("break_even_fee_bps"), 2)),
            ("Sharpe ratio, a year", _before_and_after(found, "sharpe")),
            ("Sortino ratio, a year", _before_and_after(found, "sortino")),
            ("Volatility, a year", percent(found.get("volatility"))),
            ("Deepest drawdown", percent(found.get("max_drawdown"))),
            ("From its peak to its recovery, or to the end", MISSING if length is None else f"{count(length)} candles"),
        ),
        "Earned",
    )


def _traded(found: Mapping[str, Any]) -> Facts:
    turnover = finite(found.get("turnover"))
    share = percent(found.get("capacity_share"), 0)
    return Facts(
        (
            ("Trades", count(found.get("trades"))),
            ("Won, after costs", percent(found.get("hit_rate"))),
            ("Average win", percent(found.get("average_win"), 3, signed=True)),
            ("Average loss", percent(found.get("average_loss"), 3, signed=True)),
            ("Candles with a position", percent(found.get("exposure_share"))),
            ("Turnover", MISSING if turnover is None else f"{count(turnover)} times the equity"),
            (f"Capacity at {share} of a candle", _money(found.get("capacity_notional"))),
        ),
        "Traded",
    )


def _assumed(found: Mapping[str, Any]) -> Facts:
    slippage = finite(found.get("slippage"))
    told = MISSING if slippage is None else f"{percent(slippage)} of one candle's volatility"
    items = [
        ("Costs", str(found.get("costs") or MISSING)),
        ("Fee of a side", basis_points(found.get("fee_bps"))),
        ("Half the spread", basis_points(found.get("half_spread_bps"), 2)),
        ("Slippage of a side", told),
        ("Paid for a side, all in all", basis_points(found.get("mean_cost_bps"), 2)),
    ]
    if finite(found.get("funding_bps")):
        items.append(("Funding each 8 hours", basis_points(found.get("funding_bps"), 2)))
    if finite(found.get("notional")):
        items.append(("Size of the account", _money(found.get("notional"))))
    return Facts(tuple(items), "Assumed")


def _warnings(found: Mapping[str, Any]) -> tuple[Text, ...]:
    warnings = []
    if found.get("ruined") is True:
        warnings.append("The account was ruined: nothing was left before the end of the span.")
    if found.get("liquidity") == "maker":
        warnings.append(
            "These are the costs of a maker, whose orders wait until the price comes to them. The backtest takes them "
            "all to be filled; in truth the good ones are missed more often than the bad: read it as an upper bound."
        )
    return tuple(Text(told, warning=True) for told in warnings)


def _limits(found: Mapping[str, Any]) -> str:
    modelled, missing = list(_ALWAYS_MODELLED), list(_NEVER_MODELLED)
    (modelled if finite(found.get("notional")) else missing).append("the impact of one's own orders on the price")
    (modelled if finite(found.get("funding_bps")) else missing).append("funding")
    return (
        f"Modelled: {', '.join(modelled)}. Not modelled: {', '.join(missing)}. A position before a gap is closed at "
        "the last close, which no one could have foreseen. Real trading earns less than the curve after costs."
    )


def _before_and_after(found: Mapping[str, Any], name: str) -> str:
    return f"{score(found.get(name), 2)} ({score(found.get(f'{name}_gross'), 2)} before costs)"


def _money(value: Any) -> str:
    number = finite(value)
    return MISSING if number is None else f"{number:,.0f} of the quote currency"
