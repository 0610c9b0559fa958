"""ROC curves, and how high they stand above the diagonal."""

import numpy as np

from mlsignal.candles import Floats
from mlsignal.report.axes import Key, axes, boxes, legend, limits, linear_axis
from mlsignal.report.numbers import score
from mlsignal.report.story import ScoredRows, Story
from mlsignal.report.svg import Drawing, thin_out

MOST_POINTS = 240


def roc_curve(rows: ScoredRows) -> tuple[Floats, Floats] | None:
    """Return false and true positive rates at every threshold, ties in p_up taken together; None of one class only.

    Examples
    --------
    >>> up = np.array([0, 1], dtype=np.int8)
    >>> rows = ScoredRows(np.arange(2), np.array([0.2, 0.8]), up, np.zeros(2, dtype=np.bool_))
    >>> curve = roc_curve(rows)
    >>> curve[0].tolist(), curve[1].tolist()
    ([0.0, 0.0, 1.0], [0.0, 1.0, 1.0])
    """
    ups = int(np.count_nonzero(rows.label == 1))
    downs = len(rows.label) - ups
    if not ups or not downs:
        return None
    order = np.argsort(-rows.p_up, kind="stable")
    p_up, label = rows.p_up[order], rows.label[order] == 1
    ends = np.append(np.flatnonzero(np.diff(p_up)), len(p_up) - 1)
    true_up = np.cumsum(label)[ends]
    false_up = ends + 1 - true_up
    return np.append(0.0, false_up / downs), np.append(0.0, true_up / ups)


def curves(story: Story) -> list[tuple[str, str, Floats, Floats]]:
    """Return (legend, style, false positive rate, true positive rate), thinned, of all rows and of those that moved."""
    found = []
    for model, rows in story.test.items():
        for part, told, style in ((rows, "all rows", ""), (rows.moved(), "ties left out", " dash")):
            curve = roc_curve(part)
            if curve is not None:
                keep = thin_out(len(curve[0]), MOST_POINTS)
                name = f"{story.title(model)}, {told}: AUC {score(np.trapezoid(curve[1], curve[0]).item(), 3)}"
                found.append((name, f"line {story.style(model)}{style}", curve[0][keep], curve[1][keep]))
    return found


def draw_roc(story: Story, width: float) -> Drawing | None:
    """Draw the curves, and beside them their height above the diagonal, where weak signals can be told apart."""
    found = curves(story)
    if not found:
        return None
    drawing = Drawing(width, 0)
    keys = [Key(name, style) for name, style, _, _ in found]
    top = legend(drawing, 0, 0, width, [*keys, Key("Guessing", "reference")]) + 6
    left, right = boxes(width, min(width, 430), top)
    rate = linear_axis(0, 1, 5, "False positive rate (downs called up)")
    main = axes(drawing, left, rate, linear_axis(0, 1, 5, "True positive rate (ups called up)"), "ROC curve")
    lifts = np.concatenate([true - false for _, _, false, true in found])
    low, high = limits(np.append(lifts, 0), 0.06, least=0.005)
    lift = axes(drawing, right, rate, linear_axis(low, high, 5, "True minus false positive rate"), "Height above the diagonal")
    main.drawing.line(main.x.at(0), main.y.at(0), main.x.at(1), main.y.at(1), "reference")
    lift.drawing.line(lift.x.at(0), lift.y.at(0), lift.x.at(1), lift.y.at(0), "reference")
    for _, style, false, true in found:
        drawing.polyline(main.x(false), main.y(true), style)
        drawing.polyline(lift.x(false), lift.y(true - false), style)
    drawing.height = right.top + right.height
    return drawing
