"""Ties: how many there are, and what they do to the scores."""

from mlsignal.report.blocks import Block, Cell, Column, Facts, Row, Section, Table, Text
from mlsignal.report.numbers import count, finite, percent, score
from mlsignal.report.scores import score_title
from mlsignal.report.story import Story, look

_CLASSES = ("down", "tie", "up")
_MEANINGS = {
    "down": "counted as not up in training",
    "drop": "left out of training",
    "third": "a class of its own in training",
}


def ties_section(story: Story) -> Section:
    """Return the share of ties, the scores with and without them, and those of the third class where it is one."""
    told = (
        "A close that equals the one it is compared with is neither up nor down. Quiet minutes have more ties, and "
        "quiet minutes can be foretold: so scores that count ties as not up reward a model for knowing when nothing "
        "happens, which nobody can trade. A claim rests on the scores without them."
    )
    blocks: tuple[Block, ...] = (_facts(story), *_with_and_without(story), *_third_class(story))
    return Section("ties", "Ties", told, blocks)


def _facts(story: Story) -> Facts:
    return Facts(
        (
            ("Ties among all rows", percent(story.look("data.tie_share"))),
            ("Ties among the test rows", percent(story.look("data.test_tie_share"))),
            ("Ties are", _MEANINGS.get(story.name("settings.ties"), "counted as not up in training")),
        )
    )


def _with_and_without(story: Story) -> tuple[Block, ...]:
    rows = []
    for model, results in story.mapping("models").items():
        cells = []
        for name in ("roc_auc", "accuracy", "log_loss"):
            counted, moved = look(results, f"test.{name}"), look(results, f"test.without_ties.{name}")
            pair = finite(counted), finite(moved)
            difference = None if None in pair else float(pair[0] or 0) - float(pair[1] or 0)
            cells += [Cell(score(counted)), Cell(score(moved)), Cell(score(difference))]
        rows.append(Row(story.title(model), tuple(cells), "selected" if model == story.selected else ""))
    if not rows:
        return ()
    columns = tuple(
        Column(title, "", score_title(name))
        for name in ("roc_auc", "accuracy", "log_loss")
        for title in ("with", "without", "difference")
    )
    return (Table("Model", columns, tuple(rows), "What ties add to a score is no foresight of direction."),)


def _third_class(story: Story) -> tuple[Block, ...]:
    blocks: list[Block] = []
    for model, results in story.mapping("models").items():
        found = look(results, "test.three_class")
        if found is None:
            continue
        rows = tuple(
            Row(name.capitalize(), tuple(Cell(count(look(found, f"confusion.{name}.{said}"))) for said in _CLASSES))
            for name in _CLASSES
        )
        caption = (
            f"{story.title(model)}: of {count(look(found, 'n'))} test rows, log loss {score(look(found, 'log_loss'))}, "
            f"accuracy {score(look(found, 'accuracy'))}; ties are ranked with an AUC of "
            f"{score(look(found, 'tie_roc_auc'))}."
        )
        columns = tuple(Column(name.capitalize(), "", "Likeliest class") for name in _CLASSES)
        blocks.append(Table("What came", columns, rows, caption))
    if blocks:
        blocks.insert(0, Text("Three classes: down, tie and up, each weighing the same in training."))
    return tuple(blocks)
