"""The backtest and break-even sections: whole, of partial metrics, and with what they warn of."""

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from mlsignal.candles import Candles
from mlsignal.evaluation.backtest import run_backtest
from mlsignal.evaluation.breakeven import break_even
from mlsignal.evaluation.costs import choose_costs
from mlsignal.evaluation.record import without_nan
from mlsignal.evaluation.results import EvaluationReport
from mlsignal.report.blocks import Chart, Facts, Section, Table, Text
from mlsignal.report.figures.breakeven import breakeven_rows
from mlsignal.report.figures.equity import MOST_POINTS, drawdown_curve
from mlsignal.report.page import render_page, write_figures
from mlsignal.report.sections.backtest import backtest_section
from mlsignal.report.sections.breakeven import breakeven_section
from mlsignal.report.story import Story
from tests.strategies import make_candles

SECTIONS: list[Callable[[Story], Section]] = [backtest_section, breakeven_section]


def story_of(candles: Candles, costs: str = "binance-spot", **options: Any) -> Story:
    """Return the story of random signals through candles."""
    position = np.arange(100, len(candles) - 1)
    target = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], len(position))
    result = run_backtest(candles, position, target, choose_costs(costs), **options)
    metrics = {
        "economics": without_nan(result.summary),
        "breakeven": break_even(candles, choose_costs(costs)).to_dict(),
        "data": {"symbol": candles.symbol, "synthetic": False},
    }
    return Story(EvaluationReport(metrics, pl.DataFrame(), candles, (), result.curve, result.curve))


def texts(section: Section) -> str:
    """Return all sentences and facts of a section."""
    found = [section.explanation]
    for block in section.blocks:
        if isinstance(block, Text):
            found.append(block.text)
        if isinstance(block, Facts):
            found += [f"{name}: {value}" for name, value in block.items]
        if isinstance(block, Table):
            found += [cell.text for row in block.rows for cell in row.cells]
    return "\n".join(found)


def test_backtest_section_tells_what_was_earned_and_assumed() -> None:
    story = story_of(make_candles(2_000), hold="horizon", horizon=5)
    told = texts(backtest_section(story))
    summary = story.look("economics")
    assert "at the open of the next candle" in told
    assert "held for 5 candles" in told
    assert f"Trades: {summary['trades']:,}" in told
    assert "Costs: binance-spot" in told
    assert "Not modelled:" in told
    assert "upper bound" not in told
    charts = [block for block in backtest_section(story).blocks if isinstance(block, Chart)]
    assert [block.name for block in charts] == ["equity"]
    assert "Drawdown after costs" in charts[0].wide.inline("")


def test_backtest_section_of_a_maker_says_that_fills_are_not_certain() -> None:
    section = backtest_section(story_of(make_candles(500), "binance-spot-maker"))
    warnings = [block.text for block in section.blocks if isinstance(block, Text) and block.warning]
    assert len(warnings) == 1
    assert "upper bound" in warnings[0]


def test_backtest_section_of_a_ruin_says_so() -> None:
    candles = make_candles(500, volatility=0.2)
    story = story_of(candles, hold="flip")
    assert story.look("economics.ruined")
    assert "ruined" in texts(backtest_section(story))


def test_backtest_section_counts_impact_and_funding_where_they_are_modelled() -> None:
    bare = texts(backtest_section(story_of(make_candles(500))))
    assert re.search(r"Not modelled: .*impact of one's own orders.*, funding\.", bare)
    sized = texts(backtest_section(story_of(make_candles(500), notional=1e5, sizing="volatility")))
    assert re.search(r"Modelled: .*impact of one's own orders.*\. Not", sized)
    assert "aims at a constant volatility" in sized
    assert "Size of the account: 100,000 of the quote currency" in sized


def test_breakeven_section_says_where_no_accuracy_is_enough() -> None:
    section = breakeven_section(story_of(make_candles(20_000, volatility=3e-4)))
    table = next(block for block in section.blocks if isinstance(block, Table))
    needed = {row.name: row.cells[4].text for row in table.rows}
    assert list(needed) == ["1", "5", "15", "30", "60", "240"]
    assert needed["1"] == "none is enough"
    assert needed["240"].replace("\N{NARROW NO-BREAK SPACE}", " ").endswith(" %")


@pytest.mark.parametrize("build", SECTIONS)
def test_section_is_drawn_as_valid_images(build: Callable[[Story], Section], tmp_path: Path) -> None:
    story = story_of(make_candles(3_000))
    paths = write_figures([build(story)], tmp_path, "SYNTHETIC")
    assert len(paths) == 1
    text = paths[0].read_text(encoding="utf-8")
    assert ElementTree.fromstring(text.encode()).tag.endswith("svg")
    assert "SYNTHETIC" in text
    assert not re.search(r"\b(nan|inf)\b", re.sub(r"<style>.*</style>", "", text))
    assert "<table" in render_page(story, [build(story)]) or "<dl" in render_page(story, [build(story)])


@pytest.mark.parametrize("build", SECTIONS)
@pytest.mark.parametrize(
    "metrics",
    [
        {},
        {"economics": None, "breakeven": None},
        {"economics": {"net_return": None, "hold": None, "fee_bps": 10.0}, "breakeven": []},
        {"economics": {"fee_bps": 10.0}, "breakeven": [{}, None, 3, {"horizon": 1}, {"horizon": 0, "mean_move": 1}]},
        {"breakeven": [{"horizon": 5, "mean_move": 0.0, "round_trip_cost": 0.002, "accuracy_needed": None}]},
        {"breakeven": "nonsense", "economics": "nonsense"},
    ],
)
def test_section_of_partial_metrics_is_rendered(build: Callable[[Story], Section], metrics: dict[str, Any]) -> None:
    whole = story_of(make_candles(300)).evaluation
    for equity in (whole.equity, whole.equity.clear(), whole.equity.select("time", "net")):
        story = Story(replace(whole, metrics=metrics, equity=equity))
        text = render_page(story, [build(story)])
        assert ">None<" not in text
        assert "nan" not in texts(build(story)).split()


def test_breakeven_rows_keep_what_can_be_drawn() -> None:
    rows = [
        {"horizon": 5, "mean_move": 0.001, "round_trip_cost": 0.002, "accuracy_needed": 1.5},
        {"horizon": 1, "mean_move": 0.0, "round_trip_cost": 0.002, "accuracy_needed": None},
        {"horizon": 9, "mean_move": None, "round_trip_cost": 0.002, "accuracy_needed": 0.7},
    ]
    whole = story_of(make_candles(300)).evaluation
    found = breakeven_rows(Story(replace(whole, metrics={"breakeven": rows})))
    assert [(row["horizon"], row["accuracy_needed"]) for row in found] == [(1.0, float("inf")), (5.0, 1.5)]


def test_drawdown_curve_of_many_rows_keeps_the_deepest() -> None:
    drawdown = -np.random.default_rng(0).random(10_000) / 2
    drawdown[3_333] = -0.9
    found = drawdown_curve(pl.DataFrame({"drawdown": drawdown}))
    assert found is not None
    assert len(found) <= MOST_POINTS
    assert found.min() == -0.9
    assert found[-1] <= drawdown[-1]
