"""What ``mlsignal breakeven`` does: moves against costs, as a table, JSON or a picture."""

from pathlib import Path

import polars as pl

from mlsignal.apps.messages import SYNTHETIC_NOTE, print_note
from mlsignal.apps.terminal import StageProgress, output, print_json, print_table
from mlsignal.config import Settings
from mlsignal.errors import ConfigurationError, OutputError
from mlsignal.evaluation.breakeven import BreakEven, break_even
from mlsignal.evaluation.costs import choose_costs
from mlsignal.evaluation.results import EvaluationReport
from mlsignal.gathering import GatheredCandles, gather_candles
from mlsignal.report.blocks import Chart
from mlsignal.report.palette import figure_style, fixed_colours
from mlsignal.report.sections.breakeven import breakeven_section
from mlsignal.report.story import Story

_HEADINGS = ("candles", "mean move", "round trip", "above it", "unchanged", "right needed", "moves*")

_EXPLAINED = (
    "candles: how far ahead. above it: moves greater than the round trip. right needed: share of the moves, unchanged "
    "ones apart, to call right; above 100 % no accuracy is enough.  * that do not overlap"
)


def breakeven_job(settings: Settings, horizons: str | None, figure: Path | None, *, as_json: bool) -> None:
    """Print the accuracy that each horizon needs, and draw it."""
    named = None if horizons is None else _parse(horizons)
    costs = choose_costs(settings.costs, settings.fee_bps, settings.half_spread_bps, settings.slippage)
    with StageProgress(quiet=as_json) as progress:
        gathered = gather_candles(settings, on_progress=progress.candles)
    candles = gathered.candles
    view = break_even(candles, costs, named)
    if gathered.synthetic:
        print_note(SYNTHETIC_NOTE)
    if figure is not None:
        _draw(gathered, view.to_dict(), figure)
    facts = {
        "symbol": candles.symbol,
        "interval": candles.interval.value,
        "synthetic": gathered.synthetic,
        "start": candles.start.isoformat(timespec="milliseconds"),
        "end": candles.end.isoformat(timespec="milliseconds"),
        "candles": len(candles),
        "costs": costs.name,
        "fee_bps": costs.fee_bps,
        "half_spread_bps": costs.half_spread_bps,
        "slippage": costs.slippage,
        "breakeven": view.to_dict(),
    }
    if as_json:
        print_json(facts)
        return
    console = output()
    console.print(
        f"{candles.symbol} {candles.interval.value}, {len(candles):,} candles to {candles.end:%Y-%m-%d %H:%M} UTC, "
        f"costs {costs.name}",
        style="bold",
        highlight=False,
    )
    print_table(
        console,
        _HEADINGS,
        [_cells(row) for row in view.rows],
        frozenset(range(len(_HEADINGS))),
        least=("unchanged", "moves*", "above it"),
    )
    console.print(_EXPLAINED, highlight=False)


def _parse(horizons: str) -> list[int]:
    parts = [part.strip() for part in horizons.split(",") if part.strip()]
    if not all(part.isdecimal() for part in parts):
        raise ConfigurationError(f"horizons: numbers of candles expected, as in 1,15,60; found {horizons!r}")
    return [int(part) for part in parts]


def _cells(row: BreakEven) -> list[str]:
    return [
        f"{row.horizon:,}",
        f"{1e4 * row.mean_move:.2f} bps",
        f"{1e4 * row.round_trip_cost:.2f} bps",
        f"{row.share_above_cost:.1%}",
        f"{row.tie_share:.1%}",
        f"{row.accuracy_needed:.2%}" if row.reachable else "> 100 %",
        f"{row.independent_moves:,}",
    ]


def _draw(gathered: GatheredCandles, rows: list[dict[str, object]], figure: Path) -> None:
    metrics = {"breakeven": rows, "data": {"synthetic": gathered.synthetic}}
    story = Story(EvaluationReport(metrics, pl.DataFrame(), gathered.candles, (), pl.DataFrame(), pl.DataFrame()))
    for block in breakeven_section(story).blocks:
        if isinstance(block, Chart):
            text = block.wide.file(block.title, block.subtitle, fixed_colours(figure_style()), story.warning)
            try:
                figure.parent.mkdir(parents=True, exist_ok=True)
                figure.write_text(text, encoding="utf-8")
            except OSError as error:
                raise OutputError(
                    f"figure {figure}: cannot be written ({error.strerror or error}); choose another --figure"
                ) from None
