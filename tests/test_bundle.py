"""The exported model: what it says elsewhere, and what is refused."""

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import joblib
import numpy as np
import polars as pl
import pytest

from mlsignal.bundle import load_bundle
from mlsignal.errors import FeatureMismatchError, ModelError
from mlsignal.features.feature import compute_features
from mlsignal.sim.market import Market
from mlsignal.workflow import run
from tests.markets import write_market

FEATURE_FILE = """
import numpy as np
from mlsignal import feature

@feature(lookback=3)
def momentum(candles):
    return np.concatenate([[np.nan, np.nan], candles.close[2:] / candles.close[:-2] - 1])
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("run")
    source = write_market(root / "market")
    run(root / "run", source=str(source), lookback_candles=3_000, trees=20, engine="plain")
    return root / "run"


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Path:
    shutil.copytree(folder, tmp_path / "run")
    return tmp_path / "run"


@pytest.fixture(scope="module")
def candles():  # type: ignore[no-untyped-def]
    return Market(7).candles("BTCUSDT", "1m", 3_000)


def test_bundle_predicts_what_the_run_predicted(folder: Path, candles) -> None:  # type: ignore[no-untyped-def]
    bundle = load_bundle(folder)
    predicted = bundle.predict(candles)
    metrics = json.loads((folder / "metrics.json").read_text())
    recorded = pl.read_parquet(folder / "predictions.parquet").filter(
        (pl.col("fold") == "test") & (pl.col("model") == metrics["selected"])
    )
    joined = recorded.join(predicted, on="open_time", suffix="_bundle")
    assert joined.height == recorded.height == metrics["data"]["test_rows"]
    np.testing.assert_allclose(joined["p_up"], joined["p_up_bundle"], rtol=0, atol=1e-9)


def test_bundle_of_few_candles_has_no_signal_in_the_warm_up(folder: Path, candles) -> None:  # type: ignore[no-untyped-def]
    predicted = load_bundle(folder).predict(candles[:400])
    assert predicted["p_up"].is_nan().sum() == 329
    assert predicted["signal"].null_count() == 329
    assert set(predicted["signal"].drop_nulls()) <= {"up", "down"}


def test_pickle_predicts_the_same_from_polars_pandas_and_arrays(folder: Path, candles) -> None:  # type: ignore[no-untyped-def]
    model = joblib.load(folder / "best_model.pkl")
    bundle = load_bundle(folder)
    frame = compute_features(candles, bundle.features)
    table = frame.to_polars()[500:600]
    names = list(model.feature_names_in_)
    expected = model.predict_proba(table)
    shuffled = table.select(reversed(table.columns))
    for X in (shuffled, table.to_pandas(), table.select(names).to_numpy(), table.select(names).to_pandas()):
        np.testing.assert_array_equal(model.predict_proba(X), expected)
    np.testing.assert_array_equal(model.predict(table), expected[:, 1] > 0.5)
    np.testing.assert_array_equal(bundle.model.predict_proba(table), expected)
    assert model.classes_.tolist() == [0, 1]


def test_pickle_refuses_wrong_columns_by_name(folder: Path) -> None:
    model = joblib.load(folder / "best_model.pkl")
    table = pl.DataFrame({name: [1.0] for name in model.feature_names_in_})
    with pytest.raises(ValueError, match=r"missing column: rsi14; the columns there are .*rsi_14"):
        model.predict(table.rename({"rsi14": "rsi_14"}))
    with pytest.raises(FeatureMismatchError, match=r"shape \(n_rows, 17\)"):
        model.predict(np.ones((3, 16)))


def test_pickle_gives_no_direction_to_the_warm_up(folder: Path) -> None:
    model = joblib.load(folder / "best_model.pkl")
    rows = np.ones((2, 17))
    rows[0, 3] = np.nan
    assert np.isnan(model.predict_proba(rows)[0]).all()
    with pytest.raises(ModelError, match="1 of 2 rows have a NaN"):
        model.predict(rows)


def test_pickle_loads_in_a_fresh_process_without_the_accelerator(folder: Path) -> None:
    code = (
        "import sys; sys.modules['sklearnex'] = None; import joblib, numpy as np; "
        f"model = joblib.load({str(folder / 'best_model.pkl')!r}); print(model.predict_proba(np.ones((1, 17))).sum())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(done.stdout) == pytest.approx(1.0)


def test_bundle_with_a_changed_byte_is_refused(copy: Path) -> None:
    path = copy / "model.mlsignal" / "model.skops"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(ModelError, match=r"SHA-256 expected [0-9a-f]{12}…, found [0-9a-f]{12}…"):
        load_bundle(copy)


def test_bundle_with_a_changed_manifest_is_refused(copy: Path) -> None:
    path = copy / "model.mlsignal" / "manifest.json"
    path.write_text(path.read_text().replace('"BTCUSDT"', '"ETHUSDT"'))
    with pytest.raises(ModelError, match="changed after it was written"):
        load_bundle(copy)


def _rewrite(copy: Path, change) -> None:  # type: ignore[no-untyped-def]
    """Change a manifest and its own hash, as one who knows how would."""
    from mlsignal.bundle import _manifest_sha256

    path = copy / "model.mlsignal" / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    manifest["manifest_sha256"] = _manifest_sha256(manifest)
    path.write_text(json.dumps(manifest))


def test_bundle_of_other_features_is_refused_with_the_difference(copy: Path) -> None:
    def other_memory(manifest: dict) -> None:  # type: ignore[type-arg]
        rsi = next(d for d in manifest["features"]["definitions"] if d["name"] == "rsi14")
        rsi["parameters"]["memory"] = 100

    _rewrite(copy, other_memory)
    with pytest.raises(FeatureMismatchError, match=r"feature rsi14 was .*'memory': 100"):
        load_bundle(copy)


def test_bundle_of_another_format_is_refused(copy: Path) -> None:
    _rewrite(copy, lambda manifest: manifest.update(format_version=99))
    with pytest.raises(ModelError, match="format version 1 expected, found 99"):
        load_bundle(copy)


def test_bundle_whose_golden_rows_differ_is_refused(copy: Path) -> None:
    _rewrite(copy, lambda manifest: manifest["golden"].update(p_up=[0.123] * len(manifest["golden"]["p_up"])))
    with pytest.raises(ModelError, match="gives other probabilities"):
        load_bundle(copy)


def test_bundle_of_another_library_version_is_proven_by_golden_rows(
    copy: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _rewrite(copy, lambda manifest: manifest["versions"].update(numpy="1.0.0"))
    load_bundle(copy)
    assert "numpy 1.0.0 then" in caplog.text


def test_bundle_with_a_forbidden_type_is_refused_by_name(copy: Path) -> None:
    import hashlib

    path = copy / "model.mlsignal" / "model.skops"
    schema = {
        "__class__": "system",
        "__module__": "os",
        "__loader__": "FunctionNode",
        "__id__": 1,
        "content": {"module_path": "os", "function": "system"},
        "protocol": 2,
        "_skops_version": "0.16.0",
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("schema.json", json.dumps(schema))
    _rewrite(copy, lambda m: m["model"].update(sha256=hashlib.sha256(path.read_bytes()).hexdigest()))
    with pytest.raises(ModelError, match=r"types that are not allowed: .*os\.system; nothing was loaded"):
        load_bundle(copy)


def test_bundle_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such folder"):
        load_bundle(str(tmp_path / "nothing"))
    with pytest.raises(ModelError, match=r"expected manifest\.json"):
        load_bundle(tmp_path)


def test_bundle_of_another_interval_is_refused(folder: Path) -> None:
    with pytest.raises(ModelError, match="trained on 1m candles, found 15m"):
        load_bundle(folder).predict(Market(7).candles("BTCUSDT", "15m", 400))


def test_bundle_with_a_feature_file_needs_the_same_file(tmp_path: Path) -> None:
    source = write_market(tmp_path / "market", 1_500)
    file = tmp_path / "own.py"
    file.write_text(FEATURE_FILE)
    result = run(
        tmp_path / "run", source=str(source), feature_file=file, models="logistic_regression", trees=5, folds=3
    )
    assert "momentum" in result.model.feature_names_in_
    manifest = (tmp_path / "run/model.mlsignal/manifest.json").read_text()
    assert "concatenate" not in manifest  # the file's hash, never its code
    assert "momentum" in load_bundle(tmp_path / "run", file).model.feature_names_in_
    with pytest.raises(FeatureMismatchError, match=r"made with the feature file own\.py"):
        load_bundle(tmp_path / "run")
    file.write_text(FEATURE_FILE + "\n# changed\n")
    with pytest.raises(FeatureMismatchError, match="is not the one it was made with"):
        load_bundle(tmp_path / "run", file)
