"""The documentation holds: its Python blocks run, its links lead somewhere, its tables name what is there."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import mlsignal
from mlsignal.apps.cli import app
from mlsignal.config import Settings
from mlsignal.features.classic import CLASSIC
from mlsignal.features.feature import feature_names
from mlsignal.sim import Market

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [*sorted(DOCS.rglob("*.md")), *(ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"))]
NAMES = [str(page.relative_to(ROOT)) for page in PAGES]
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]+\]\(([^)#\s]+)(?:#[^)]*)?\)")


def python_blocks(page: Path) -> list[str]:
    return BLOCK.findall(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("page", [page for page in PAGES if python_blocks(page)], ids=lambda page: page.stem)
def test_python_blocks_run_in_order(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "page"}
    for block in python_blocks(page):
        exec(compile(block, str(page), "exec"), names)


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_links_lead_to_files(page: Path) -> None:
    for target in LINK.findall(page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), target


def test_index_leads_to_every_page() -> None:
    linked = {(DOCS / target).resolve() for target in LINK.findall((DOCS / "index.md").read_text(encoding="utf-8"))}
    assert {page.resolve() for page in DOCS.rglob("*.md") if page.name != "index.md"} <= linked


def commands() -> Iterator[tuple[str, set[str]]]:
    def walk(prefix: str, command: Any) -> Iterator[tuple[str, set[str]]]:
        children = getattr(command, "commands", None)
        if children:
            for name, child in children.items():
                yield from walk(f"{prefix} {name}".strip(), child)
        else:
            yield prefix, {option for parameter in command.params for option in parameter.opts if "--" in option}

    yield from walk("", get_command(app))


def test_command_line_page_names_every_command_and_option() -> None:
    text = (DOCS / "reference/command-line.md").read_text(encoding="utf-8")
    for command, options in commands():
        assert f"## mlsignal {command}\n" in text
        section = text.split(f"## mlsignal {command}\n")[1].split("\n## ")[0]
        shared = text.split("## Options that several commands share\n")[1].split("\n## ")[0]
        absent = {option for option in options if f"`{option}" not in section + shared} - {"--help"}
        assert not absent, command


def test_configuration_page_names_every_setting() -> None:
    text = (DOCS / "how-to/configuration.md").read_text(encoding="utf-8")
    assert [name for name in Settings.model_fields if f"`{name}`" not in text] == []


def test_features_page_names_every_classic_column_with_its_lookback() -> None:
    text = (DOCS / "reference/features.md").read_text(encoding="utf-8")
    for item in CLASSIC:
        for name, lookback in item.lookbacks.items():
            assert re.search(rf"^\| `{name}` \|.*\| {lookback} \|", text, re.MULTILINE), name
    assert len(feature_names(CLASSIC)) == 17


def keys_of(value: Any) -> set[str]:
    if not isinstance(value, dict):
        return set()
    return set(value) | {key for item in value.values() for key in keys_of(item)}


def test_metrics_page_names_every_key_that_a_run_writes(tmp_path: Path) -> None:
    text = (DOCS / "reference/metrics.md").read_text(encoding="utf-8")
    market = tmp_path / "BTCUSDT-1m.parquet"
    Market(seed=1).candles("BTCUSDT", "1m", 3_000).to_polars().write_parquet(market)
    mlsignal.run(tmp_path / "run", source=str(market), models="logistic_regression", folds=3, engine="plain")
    for name in ("metrics.json", "model.mlsignal/manifest.json"):
        written = json.loads((tmp_path / "run" / name).read_text(encoding="utf-8"))
        written.get("features", {}).pop("definitions", None)
        unnamed = {key for key in keys_of(written) if not all(f"`{part}`" in text for part in key.split("."))}
        assert unnamed == set(), name
    for column in mlsignal.run(
        source=str(market), models="logistic_regression", folds=2
    ).evaluation.predictions.columns:
        assert f"`{column}`" in text
