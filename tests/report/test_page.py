"""The page and its files: self-contained, escaped, complete, and whole where the input is not."""

import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import polars as pl
import pytest

from mlsignal.errors import OutputError
from mlsignal.evaluation.results import EvaluationReport, Importance
from mlsignal.report import write_report

FIGURES = {
    *("folds", "splits", "price", "roc", "calibration", "coverage", "confusion", "importance", "equity", "decision"),
    "breakeven",
}
ANCHORS = [
    "verdict", "scores", "significance", "ties", "coverage", "breakeven", "decision", "equity", "trials", "splits",
    "folds", "audit", "price", "roc", "calibration", "confusion", "importance", "data", "reproducibility",
]  # fmt: skip
VOID = {"meta", "link", "br", "hr", "img", "input", "wbr"}

Build = Callable[..., EvaluationReport]


class Reader(HTMLParser):
    """Collects tags, addresses and the visible text, and refuses tags that do not close in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.addresses: list[str] = []
        self.anchors: list[str] = []
        self.words: list[str] = []
        self._open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href", "xlink:href", "data")]
        if tag == "section":
            self.anchors.append(str(found.get("id")))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def read(page: Path) -> Reader:
    reader = Reader()
    reader.feed(page.read_text(encoding="utf-8"))
    reader.close()
    assert not reader._open
    return reader


def with_metrics(evaluation: EvaluationReport, **changes: Any) -> EvaluationReport:
    return replace(evaluation, metrics=evaluation.metrics | changes)


def nothing_but_none(tree: Any) -> Any:
    """Replace every number by None, as metrics.json has it for NaN."""
    if isinstance(tree, dict):
        return {key: nothing_but_none(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [nothing_but_none(value) for value in tree]
    return tree if isinstance(tree, str) else None


def test_page_of_an_ordinary_run_needs_nothing_from_elsewhere(evaluation: EvaluationReport, tmp_path: Path) -> None:
    page = write_report(evaluation, tmp_path / "run")
    reader = read(page)
    assert page == tmp_path / "run" / "report.html"
    assert all(address.startswith(("#", "data:")) for address in reader.addresses)
    assert not {"script", "img", "iframe", "object", "embed"} & set(reader.tags)
    style = page.read_text(encoding="utf-8")
    assert "@import" not in style
    assert "url(" not in style
    assert "http" not in style
    assert len(style) < 1_000_000


def test_page_sections_stand_in_order(evaluation: EvaluationReport, tmp_path: Path) -> None:
    assert read(write_report(evaluation, tmp_path)).anchors == ANCHORS


def test_page_figures_are_written_as_valid_images(evaluation: EvaluationReport, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path)
    files = {path.stem: path for path in (tmp_path / "figures").iterdir()}
    assert set(files) == FIGURES
    for path in files.values():
        root = ElementTree.parse(path).getroot()
        text = path.read_text(encoding="utf-8")
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert "NULLUSDT 1m" in "".join(root.itertext())
        assert "var(--" not in text
        assert not re.search(r"\b(nan|inf)\b", re.sub(r"<style>.*</style>", "", text))


def test_page_key_figures_stand_beside_their_baselines(evaluation: EvaluationReport, tmp_path: Path) -> None:
    text = read(write_report(evaluation, tmp_path)).text
    scores = evaluation.metrics["models"]["random_forest"]["test"]
    best = max(found["accuracy"] for found in evaluation.metrics["baselines"].values())
    assert "No edge" in text
    assert "not decided" in text
    assert f"{scores['without_ties']['roc_auc']:.4f}" in text
    assert f"Best baseline: {best:.4f}" in text
    assert "Modelled: the fee, half the spread" in text


def test_page_lists_what_cleaning_found(evaluation: EvaluationReport, tmp_path: Path) -> None:
    text = read(write_report(evaluation, tmp_path)).text
    assert "Low is above open or close 2" in text
    assert "2024-06-20 13:26 2024-06-20 14:45 80" in text


@pytest.mark.parametrize(
    ("edge", "earned", "word", "foresight"),
    [
        (True, True, "Edge", "edge"),
        (True, False, "Edge before costs only", "edge"),
        (False, False, "No edge", "no edge"),
        (None, None, "Not decided", "not decided"),
    ],
)
def test_page_verdict_is_in_words(
    evaluation: EvaluationReport, tmp_path: Path, edge: bool | None, earned: bool | None, word: str, foresight: str
) -> None:
    predictive, economic = {"edge": edge, "p": 0.0004}, {"edge": earned, "p": None}
    verdict = {"edge": edge, "predictive": predictive, "economic": economic, "text": "A sentence."}
    text = read(write_report(with_metrics(evaluation, verdict=verdict), tmp_path)).text
    assert f"Verdict {word} A sentence." in text
    assert f"Foresight: {foresight} (p < 0.001)" in text


def test_page_synthetic_candles_are_called_so_everywhere(build: Build, tmp_path: Path) -> None:
    page = write_report(build(synthetic=True), tmp_path)
    assert "SYNTHETIC These candles are simulated." in read(page).text
    assert all("SYNTHETIC" in path.read_text(encoding="utf-8") for path in (tmp_path / "figures").iterdir())


def test_page_real_candles_are_not_called_synthetic(evaluation: EvaluationReport, tmp_path: Path) -> None:
    assert "SYNTHETIC" not in write_report(evaluation, tmp_path).read_text(encoding="utf-8")


def test_page_names_from_outside_are_escaped(build: Build, tmp_path: Path) -> None:
    evil = "<script>alert('&\"')</script>"
    found = build(symbol=evil)
    models = {evil: found.metrics["models"]["random_forest"]}
    settings = found.metrics["settings"] | {"command": evil, evil: evil}
    changed = with_metrics(found, models=models, selected=evil, settings=settings, verdict={"text": evil})
    frame = found.predictions.filter(pl.col("model") == "random_forest").with_columns(model=pl.lit(evil))
    changed = replace(changed, predictions=frame, importances=(Importance(evil, 0.1, 0.01),))
    page = write_report(changed, tmp_path)
    assert "script" not in read(page).tags
    assert evil in read(page).text
    for path in (tmp_path / "figures").iterdir():
        ElementTree.parse(path)


def test_page_scores_that_are_none_show_as_dashes(evaluation: EvaluationReport, tmp_path: Path) -> None:
    empty = nothing_but_none({key: value for key, value in evaluation.metrics.items() if key != "settings"})
    changed = with_metrics(evaluation, **empty)
    html = write_report(changed, tmp_path).read_text(encoding="utf-8")
    assert '<p class="value">–</p>' in html
    assert "<td>–</td>" in html
    assert ">None<" not in html
    assert "nan" not in read(tmp_path / "report.html").text.split()


@pytest.mark.parametrize(
    "absent", ["data", "settings", "versions", "selected", "verdict", "models", "baselines", "economics", "seconds"]
)
def test_page_without_a_part_of_the_metrics_is_still_written(
    evaluation: EvaluationReport, tmp_path: Path, absent: str
) -> None:
    metrics = {key: value for key, value in evaluation.metrics.items() if key != absent}
    assert read(write_report(replace(evaluation, metrics=metrics), tmp_path)).anchors == ANCHORS


def test_page_of_nothing_says_what_is_not_there(evaluation: EvaluationReport, tmp_path: Path) -> None:
    empty = evaluation.equity.clear()
    bare = EvaluationReport({}, evaluation.predictions.clear(), evaluation.candles[:0], (), empty, empty)
    text = read(write_report(bare, tmp_path)).text
    assert "nothing was traded" in text
    assert "Permutation importance was not computed." in text
    assert not list((tmp_path / "figures").iterdir())


@pytest.mark.parametrize("label", [0, 1])
def test_page_of_one_class_only_has_no_roc_curve(evaluation: EvaluationReport, tmp_path: Path, label: int) -> None:
    frame = evaluation.predictions.with_columns(label=pl.lit(label, pl.Int8))
    text = read(write_report(replace(evaluation, predictions=frame), tmp_path)).text
    assert "A ROC curve needs both ups and downs" in text
    assert not (tmp_path / "figures" / "roc.svg").exists()
    assert (tmp_path / "figures" / "confusion.svg").exists()


@pytest.mark.parametrize("p_up", [0.0, 0.5, 1.0])
def test_page_of_constant_probabilities_is_written(evaluation: EvaluationReport, tmp_path: Path, p_up: float) -> None:
    frame = evaluation.predictions.with_columns(p_up=pl.lit(p_up))
    write_report(replace(evaluation, predictions=frame), tmp_path)
    assert {path.stem for path in (tmp_path / "figures").iterdir()} == FIGURES


def test_page_of_ties_only_is_written(evaluation: EvaluationReport, tmp_path: Path) -> None:
    frame = evaluation.predictions.with_columns(tie=pl.lit(value=True), label=pl.lit(0, pl.Int8))
    changed = with_metrics(evaluation, settings={"ties": "drop"})
    read(write_report(replace(changed, predictions=frame), tmp_path))


@pytest.mark.parametrize("values", [(1.0, 1.0), (0.5, 0.0), (1e6, 1e-9), (float("nan"), 1.0)])
def test_page_of_odd_equity_is_written(
    evaluation: EvaluationReport, tmp_path: Path, values: tuple[float, float]
) -> None:
    n = len(evaluation.equity)
    curve = pl.Series(np.linspace(*values, n))
    frame = evaluation.equity.with_columns(gross=curve, net=curve, buy_and_hold=pl.lit(1.0))
    write_report(replace(evaluation, equity=frame), tmp_path)
    ElementTree.parse(tmp_path / "figures" / "equity.svg")


@pytest.mark.parametrize(("interval", "n"), [("1d", 200), ("1M", 120), ("1w", 150), ("1s", 400)])
def test_page_of_any_interval_is_written(build: Build, tmp_path: Path, interval: str, n: int) -> None:
    read(write_report(build(n=n, interval=interval), tmp_path))
    written = {path.stem for path in (tmp_path / "figures").iterdir()}
    sometimes = {"decision", "coverage"}  # not drawn where nothing is worth its cost, or where test rows are few
    assert written - sometimes == FIGURES - sometimes


def test_page_of_many_models_gives_each_a_style(evaluation: EvaluationReport, tmp_path: Path) -> None:
    names = [f"model_{i}" for i in range(9)]
    of_one = evaluation.predictions.filter(pl.col("model") == "random_forest")
    frame = pl.concat([of_one.with_columns(model=pl.lit(name)) for name in names])
    models = dict.fromkeys(names, evaluation.metrics["models"]["random_forest"])
    changed = with_metrics(evaluation, models=models, selected="model_8")
    text = read(write_report(replace(changed, predictions=frame), tmp_path)).text
    assert "Model 8, ties left out" in text


def test_page_into_a_file_is_refused_with_its_name(evaluation: EvaluationReport, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(OutputError, match=r"taken.*cannot be written"):
        write_report(evaluation, tmp_path / "taken")


def test_page_is_the_same_when_written_twice(evaluation: EvaluationReport, tmp_path: Path) -> None:
    first, second = (write_report(evaluation, tmp_path / name).read_bytes() for name in ("a", "b"))
    assert first == second
