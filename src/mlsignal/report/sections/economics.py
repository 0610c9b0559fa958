"""What the signals would have earned."""

from mlsignal.report.blocks import Facts, Section, Text
from mlsignal.report.figures.equity import draw_equity
from mlsignal.report.numbers import basis_points, count, finite, percent
from mlsignal.report.sections.charts import chart
from mlsignal.report.story import Story

NOT_MODELLED = (
    "Not modelled: the spread, slippage, the market impact of one's own orders, orders that are not filled, the cost of "
    "borrowing for a short, and funding. Real trading earns less than the curve after fees."
)


def equity_section(story: Story) -> Section:
    """Return the equity curves before and after the fee, with the fee at which nothing is left."""
    told = (
        "Long where the probability of up is above 0.5, short where it is below; filled at the open of the next candle and "
        "held until the signal changes, flat across gaps. From long to short trades two sides."
    )
    caption = "The fee is paid on every side traded. A strategy without trades stays at 1."
    blocks = chart(story, "equity", "Equity on the test span", caption, draw_equity, "There is no equity curve: nothing was traded.")
    return Section("equity", "Before and after fees", told, (*blocks, _facts(story), Text(NOT_MODELLED)))


def _facts(story: Story) -> Facts:
    found = story.mapping("economics")
    turnover = finite(found.get("turnover"))
    return Facts(
        (
            ("Fee of a side", basis_points(found.get("fee_bps"))),
            ("Break-even fee of a side", basis_points(found.get("break_even_fee_bps"), 2)),
            ("Return before fees", percent(found.get("gross_return"), signed=True)),
            ("Return after fees", percent(found.get("net_return"), signed=True)),
            ("Buy and hold", percent(found.get("buy_and_hold_return"), signed=True)),
            ("Turnover", f"{count(turnover)} times the equity" if turnover is not None else count(None)),
        )
    )
