"""Figures as blocks of a section."""

from collections.abc import Callable

from mlsignal.report.blocks import Chart, Text
from mlsignal.report.story import Story
from mlsignal.report.svg import Drawing

WIDE = 880
NARROW = 350

Draw = Callable[[Story, float], Drawing | None]


def chart(
    story: Story, name: str, title: str, caption: str, draw: Draw, absent: str, subtitle: str = ""
) -> tuple[Chart | Text, ...]:
    """Draw a figure in both widths, or say why there is none.

    Parameters
    ----------
    story
        What is drawn.
    name
        Name of the file, without its extension.
    title, subtitle
        Above the figure in its file, after the market; the subtitle is the test span where not given.
    caption
        Below the figure in the page.
    draw
        The figure.
    absent
        The sentence that stands in its place.
    """
    wide, narrow = draw(story, WIDE), draw(story, NARROW)
    if wide is None or narrow is None:
        return (Text(absent),)
    return (Chart(name, f"{title}: {story.market}", subtitle or story.span, caption, wide, narrow),)
