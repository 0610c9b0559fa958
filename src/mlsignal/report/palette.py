"""Colours of the page and of its figures: one light and one dark set, told apart under colour-blindness.

The series follow Okabe and Ito (2008), darkened or lightened to keep a contrast of 3:1 or more on their paper.
"""

import re
from importlib.resources import files

SERIES = 6
"""How many series have a colour of their own; the next ones start over with a dash."""

LIGHT = {
    "paper": "#ffffff",
    "panel": "#f6f6f3",
    "ink": "#1b1d21",
    "ink-soft": "#54585f",
    "ink-faint": "#8b9098",
    "rule": "#e3e3de",
    "link": "#0b5c95",
    "series-0": "#0b6aa8",
    "series-1": "#c4530f",
    "series-2": "#00805e",
    "series-3": "#a34f81",
    "series-4": "#8a6d00",
    "series-5": "#4a4e8f",
    "right": "#0b6aa8",
    "wrong": "#d0661f",
    "tie": "#8465ad",
    "rising": "#9aa3ad",
    "falling": "#3c434c",
    "alarm": "#a32115",
    "alarm-paper": "#fdecea",
    "best": "#e9f1f7",
}

DARK = {
    "paper": "#16181b",
    "panel": "#1e2125",
    "ink": "#e8e8e4",
    "ink-soft": "#abb0b7",
    "ink-faint": "#7c828b",
    "rule": "#30343a",
    "link": "#7fbdea",
    "series-0": "#62b0e8",
    "series-1": "#f0914f",
    "series-2": "#3cc39a",
    "series-3": "#da93bd",
    "series-4": "#dcbf4e",
    "series-5": "#a3a7ea",
    "right": "#62b0e8",
    "wrong": "#f0914f",
    "tie": "#b79ae0",
    "rising": "#6f7883",
    "falling": "#d3d7dc",
    "alarm": "#ff9a8c",
    "alarm-paper": "#3a1c19",
    "best": "#1f3241",
}

_VARIABLE = re.compile(r"var\(--([a-z0-9-]+)\)")


def figure_style() -> str:
    """Return the style sheet of the figures, its colours as CSS variables."""
    return files("mlsignal.report").joinpath("templates", "figure.css").read_text(encoding="utf-8")


def fixed_colours(style: str, colours: dict[str, str] = LIGHT) -> str:
    """Put colours in the place of the variables: image viewers and typesetters know no CSS variables.

    Examples
    --------
    >>> fixed_colours("text{fill:var(--ink)}")
    'text{fill:#1b1d21}'
    """
    return _VARIABLE.sub(lambda found: colours[found[1]], style)
