"""Whether stated probabilities come true, and what abstaining pays."""

from mlsignal.report.blocks import Block, Cell, Column, Row, Section, Table
from mlsignal.report.figures.calibration import draw_calibration
from mlsignal.report.figures.coverage import draw_coverage
from mlsignal.report.numbers import score
from mlsignal.report.sections.charts import chart
from mlsignal.report.story import Story, look

_PARTS = (
    ("ece", "ECE", "expected calibration error: mean distance of stated and observed share"),
    ("ece_by_chance", "By chance", "the ECE to expect of so many rows even if every probability were true"),
    ("reliability", "Reliability", "mean squared distance of stated and observed share; 0 is best"),
    ("resolution", "Resolution", "variance of the observed shares; 0 where nothing is told apart"),
    ("resolution_by_chance", "By chance", "the resolution to expect of so many rows where nothing is told apart"),
    ("uncertainty", "Uncertainty", "variance of the outcome itself, which no model changes"),
)
_KINDS = (("stated", "as stated, all rows"), ("calibrated", "calibrated, ties left out"))


def calibration_section(story: Story) -> Section:
    """Return the reliability diagram and the parts of the Brier score."""
    told = (
        "Whether 55 % means 55 %: the rows are cut into ten bins of about equal size by the stated probability, "
        "and the share that closed up in each is compared with it. Decisions and the test of foresight use calibrated "
        "probabilities: a sigmoid of the stated one, fitted on out-of-fold scores of training candles that moved."
    )
    caption = (
        "Bars are 95 % intervals of the share (Wilson). Below the diagonal a model promises more ups than come. "
        "Balanced class weights pull the probabilities towards 0.5, and with them away from the share of ups."
    )
    absent = "There are no predictions on the test span."
    figure = chart(story, "calibration", "Calibration", caption, draw_calibration, absent)
    return Section("calibration", "Calibration", told, (*figure, *_parts(story)))


def _parts(story: Story) -> tuple[Block, ...]:
    rows = []
    for model, results in story.mapping("models").items():
        for kind, told in _KINDS:
            found = look(results, f"reliability.{kind}")
            if found is not None:
                cells = tuple(Cell(score(look(found, name), 5)) for name, _, _ in _PARTS)
                rows.append(Row(story.title(model), cells, told, kind != "calibrated"))
    if not rows:
        return ()
    columns = tuple(Column(title, explanation) for _, title, explanation in _PARTS)
    notes = tuple((title, explanation) for _, title, explanation in _PARTS)
    caption = "Brier score = reliability − resolution + uncertainty, and a little that binning leaves over."
    return (Table("Model", columns, tuple(rows), caption, notes),)


def coverage_section(story: Story) -> Section:
    """Return accuracy against coverage."""
    told = (
        "Abstaining: how often decisions are right when only the most confident are taken. The thresholds are those "
        "that left the named share of the training rows, so the test rows have no say in them."
    )
    caption = (
        "Ties are left out of the count, and points of fewer than 30 rows. Bars are 95 % intervals by the block "
        "bootstrap. A line that does not rise to the right says that the model does not know when it knows."
    )
    absent = "There are too few calibrated probabilities to choose by."
    blocks = chart(story, "coverage", "Accuracy against coverage", caption, draw_coverage, absent)
    return Section("coverage", "When the model is sure", told, blocks)
