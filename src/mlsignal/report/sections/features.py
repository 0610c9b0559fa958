"""Which features the selected model lives on."""

from mlsignal.report.blocks import Section
from mlsignal.report.figures.importance import MOST_FEATURES, draw_importance, known_importances
from mlsignal.report.numbers import count, in_text
from mlsignal.report.sections.charts import chart
from mlsignal.report.story import Story


def importance_section(story: Story) -> Section:
    """Return the permutation importances."""
    told = (
        "How far the test AUC, ties left out, falls when one feature's values are shuffled among the rows. "
        "Features that say the same share their importance: each of them may look idle."
    )
    n = len(known_importances(story))
    more = f" The {MOST_FEATURES} largest of {count(n)} are shown." if n > MOST_FEATURES else ""
    caption = f"The whisker is one standard deviation over the repeats; a bar within it of zero is no evidence.{more}"
    absent = "Permutation importance was not computed."
    title = f"Permutation importance, {in_text(story.selected or '')}"
    blocks = chart(story, "importance", title, caption, draw_importance, absent)
    return Section("importance", "Feature importance", told, blocks)
