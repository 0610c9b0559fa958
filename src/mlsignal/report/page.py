"""The report as a folder: one HTML page that needs nothing else, and its figures as files."""

from collections.abc import Iterable
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from mlsignal.errors import OutputError
from mlsignal.evaluation.results import EvaluationReport
from mlsignal.report.blocks import Chart, Section
from mlsignal.report.numbers import count, finite, moment
from mlsignal.report.palette import DARK, LIGHT, figure_style, fixed_colours
from mlsignal.report.sections import SECTIONS
from mlsignal.report.story import Story
from mlsignal.report.svg import Drawing

PAGE = "report.html"
FIGURES = "figures"


def write_report(evaluation: EvaluationReport, directory: Path) -> Path:
    """Write `report.html` and `figures/*.svg`, and return the path of the page.

    Parameters
    ----------
    evaluation
        Metrics may lack keys and hold None, tables may be empty: the page then says so.
    directory
        Created where it is not there; files of the same names are replaced.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    story = Story(evaluation)
    sections = [build(story) for build in SECTIONS]
    page = directory / PAGE
    try:
        directory.mkdir(parents=True, exist_ok=True)
        write_figures(sections, directory / FIGURES, story.warning)
        page.write_text(render_page(story, sections), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"report: {page} cannot be written ({error.strerror or error}); choose another --output"
        ) from error
    return page


def write_figures(sections: Iterable[Section], directory: Path, warning: str = "") -> list[Path]:
    """Write each figure of the sections as an SVG file of its own, in light colours on white; return the paths."""
    style = fixed_colours(figure_style())
    directory.mkdir(parents=True, exist_ok=True)
    paths = []
    for block in (block for section in sections for block in section.blocks):
        if isinstance(block, Chart):
            path = directory / f"{block.name}.svg"
            path.write_text(block.wide.file(block.title, block.subtitle, style, warning), encoding="utf-8")
            paths.append(path)
    return paths


def render_page(story: Story, sections: Iterable[Section]) -> str:
    """Return the page as HTML; everything that comes from outside is escaped."""
    environment = Environment(
        loader=PackageLoader("mlsignal.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters["inline"] = _inline
    style = files("mlsignal.report").joinpath("templates", "page.css").read_text(encoding="utf-8") + figure_style()
    return environment.get_template("page.html").render(
        market=story.market,
        synthetic=story.synthetic,
        stale_minutes=finite(story.look("data.stale_minutes")),
        facts=_head(story),
        sections=tuple(sections),
        style=_trusted(style),
        light=LIGHT,
        dark=DARK,
        version=story.name("mlsignal_version"),
    )


def _head(story: Story) -> tuple[tuple[str, str], ...]:
    data = story.mapping("data")
    return (
        ("Span (UTC)", f"{moment(data.get('start'))} to {moment(data.get('end'))}"),
        ("Candles", f"{count(data.get('candles'))} of {story.interval}"),
        ("Source", story.name("data.source")),
        ("Made (UTC)", moment(story.look("created"))),
        ("Version", f"mlsignal {story.name('mlsignal_version')}"),
    )


def _inline(drawing: Drawing, label: str) -> Markup:
    return _trusted(drawing.inline(label))


def _trusted(text: str) -> Markup:
    return Markup(text)  # noqa: S704  our own style sheets, and drawings that escape their texts
