"""Predictions on the test span: beside the price, ranked, as probabilities and as decisions."""

from mlsignal.report.blocks import Section
from mlsignal.report.figures.confusion import draw_confusion
from mlsignal.report.figures.price import draw_price
from mlsignal.report.figures.roc import draw_roc
from mlsignal.report.numbers import in_text
from mlsignal.report.sections.charts import chart
from mlsignal.report.story import Story


def price_section(story: Story) -> Section:
    """Return the newest candles of the test span with their predictions."""
    told = (
        "The newest stretch of the test span. Each bar stands under the candle whose close decides it; it was "
        f"known {_candles(story.horizon)} earlier. It points up where an up is foretold, and the longer it is, the "
        "surer the model."
    )
    caption = (
        "Above, candles from open to close with their range; in the middle, the probability of up around 0.5; "
        "below, each prediction in the row of its outcome. A tie is a close equal to the one it is compared with."
    )
    absent = "There are no predictions of the selected model on the test span to draw."
    title = f"Price and predictions of {in_text(story.selected or '')}"
    return Section(
        "price",
        "Price and predictions",
        told,
        chart(story, "price", title, caption, draw_price, absent, _stretch_told(story)),
    )


def _candles(n: int) -> str:
    return "one candle" if n == 1 else f"{n} candles"


def _stretch_told(story: Story) -> str:
    return f"newest stretch of the {story.span}"


def roc_section(story: Story) -> Section:
    """Return the ROC curves."""
    told = (
        "How well the stated probabilities rank the candles, whatever the threshold. A weak signal hugs the "
        "diagonal: the second panel shows its height above it. Where the dashed curve (ties left out) falls "
        "back to zero, the ranking foretold ties, not direction."
    )
    caption = "Area under the curve in the legend; the area in the second panel is the AUC minus 0.5."
    absent = "A ROC curve needs both ups and downs on the test span; there is only one of them, or no prediction."
    return Section("roc", "ROC curves", told, chart(story, "roc", "ROC curves", caption, draw_roc, absent))


def confusion_section(story: Story) -> Section:
    """Return the confusion matrices of the selected model."""
    name = in_text(story.selected or "")
    told = f"Decisions of {name} (up where the stated probability is above 0.5) against what came."
    caption = (
        "Shares are of a row: of the candles that closed so, how many were called so. Blue is right, orange is wrong."
    )
    absent = "There are no predictions of the selected model on the test span."
    blocks = chart(story, "confusion", f"Confusion matrix of {name}", caption, draw_confusion, absent)
    return Section("confusion", "Confusion matrix", told if story.selected else "", blocks)
