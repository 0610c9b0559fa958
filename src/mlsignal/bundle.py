"""The exported model: a folder with a manifest and a model file that runs no code when it is read.

``model.mlsignal/`` holds ``manifest.json`` (what the model is, what it was trained on, hashes, versions, golden rows)
and ``model.skops``. Loading checks every hash, allows reviewed types only, and refuses what differs, naming the
difference.
"""

import hashlib
import json
import logging
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import skops.io

from mlsignal.candles import Candles, Floats
from mlsignal.errors import FeatureMismatchError, ModelError
from mlsignal.features.feature import Feature, compute_features, feature_names, longest_lookback
from mlsignal.features.sets import feature_file_sha256, select_features
from mlsignal.learning.signal_model import SignalModel
from mlsignal.learning.ties import ThreeClassClassifier

logger = logging.getLogger(__name__)

FORMAT = "mlsignal-bundle"
FORMAT_VERSION = 1
MANIFEST = "manifest.json"
MODEL_FILE = "model.skops"
ALLOWED_TYPES = frozenset(
    {
        "mlsignal.learning.outliers.IQRClipper",
        "mlsignal.learning.ties.ThreeClassClassifier",
        "sklearn.tree._tree.Tree",
    }
)
"""Reviewed types beyond those that skops itself trusts: plain holders of numbers. A tree's node numbers are checked
after loading, since compiled code follows them without asking."""
GOLDEN_ROWS = 16
GOLDEN_TOLERANCE = 1e-9
"""Largest difference of a golden row's probability that still counts as the same model."""
RECORDED_LIBRARIES = ("ml-signal-generator", "numpy", "polars", "scikit-learn", "skops", "TA-Lib", "joblib")


@dataclass(frozen=True)
class FeatureSelection:
    """Which features a model takes.

    Attributes
    ----------
    sets
        Names of feature sets.
    features
        The features of these sets and of the file, in order.
    feature_file
        The user's own Python file, if any.
    """

    sets: tuple[str, ...]
    features: tuple[Feature, ...]
    feature_file: Path | None = None

    @classmethod
    def choose(cls, sets: Sequence[str], feature_file: Path | None = None) -> "FeatureSelection":
        """Look up the sets and load the file; errors as of `select_features`."""
        return cls(tuple(sets), select_features(sets, feature_file), feature_file)

    def describe(self) -> dict[str, Any]:
        """Return what a manifest remembers of them."""
        file = self.feature_file
        return {
            "sets": list(self.sets),
            "columns": list(feature_names(self.features)),
            "lookback": longest_lookback(self.features),
            "definitions": [item.describe() for item in self.features],
            "feature_file": None if file is None else {"name": file.name, "sha256": feature_file_sha256(file)},
        }


@dataclass(frozen=True)
class Bundle:
    """A loaded, verified bundle.

    Attributes
    ----------
    model
        Takes features, gives probabilities.
    features
        What it takes, as this installation computes it; verified against the manifest.
    manifest
        What it is.
    """

    model: SignalModel
    features: tuple[Feature, ...]
    manifest: dict[str, Any]

    @property
    def symbol(self) -> str:
        """Symbol that it was trained on."""
        return str(self.manifest["symbol"])

    @property
    def interval(self) -> str:
        """Interval that it was trained on."""
        return str(self.manifest["interval"])

    @property
    def lookback(self) -> int:
        """Candles needed for one prediction."""
        return int(self.manifest["features"]["lookback"])

    def predict(self, candles: Candles) -> pl.DataFrame:
        """Compute the features of candles and score every one of them.

        Returns
        -------
        polars.DataFrame
            symbol, open_time, close_time, p_up (NaN in the warm-up) and signal ("up", "down", or null in the warm-up).

        Raises
        ------
        ModelError
            If the candles are of another interval.
        """
        if candles.interval.value != self.interval:
            raise ModelError(
                f"bundle: trained on {self.interval} candles, found {candles.interval.value}; use the same interval"
            )
        frame = compute_features(candles, self.features)
        p_up = self.model.predict_proba(frame.values)[:, 1]
        scored = pl.col("p_up").is_not_nan()
        direction = pl.when(pl.col("p_up") > 0.5).then(pl.lit("up")).otherwise(pl.lit("down"))
        return (
            candles.to_polars()
            .select(pl.lit(candles.symbol).alias("symbol"), "open_time", "close_time", pl.Series("p_up", p_up))
            .with_columns(pl.when(scored).then(direction).alias("signal"))
        )


def library_versions(*more: str) -> dict[str, str]:
    """Return the versions of Python, of the libraries that decide a model's numbers, and of `more` that did."""
    versions = {"python": platform.python_version()}
    for name in (*RECORDED_LIBRARIES, *more):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = "unknown"
    return versions


def write_bundle(
    directory: Path,
    model: SignalModel,
    selection: FeatureSelection,
    facts: Mapping[str, Any],
    golden: Floats,
) -> None:
    """Write a bundle into a new folder.

    Parameters
    ----------
    directory
        Made here; its parent must exist.
    model
        Of a plain scikit-learn estimator.
    selection
        Its features.
    facts
        The rest of the manifest: symbol, interval, label, training, metrics, ...
    golden
        Some rows of features; their probabilities are kept, to prove on loading that the model still says the same.
    """
    directory.mkdir()
    skops.io.dump(model.estimator, directory / MODEL_FILE)
    golden = golden[:GOLDEN_ROWS]
    manifest = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        **facts,
        "features": selection.describe(),
        "model": {**model.description, "file": MODEL_FILE, "sha256": _sha256(directory / MODEL_FILE)},
        "versions": library_versions(),
        "golden": {"X": golden.tolist(), "p_up": model.predict_proba(golden)[:, 1].tolist()},
    }
    manifest["manifest_sha256"] = _manifest_sha256(manifest)
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def load_bundle(path: Path | str, feature_file: Path | str | None = None) -> Bundle:
    """Load a bundle, or the one in a run's folder, and verify it.

    Parameters
    ----------
    path
        ``model.mlsignal``, or a folder that holds it.
    feature_file
        The user's own feature file, where the bundle was made with one.

    Raises
    ------
    ModelError
        If it is not a bundle, a hash differs, a type is not allowed, or the golden rows give other probabilities.
    FeatureMismatchError
        If the features are no longer those that the model was fitted on.
    """
    directory = _bundle_directory(Path(path))
    manifest = _read_manifest(directory)
    features = _verified_features(manifest, None if feature_file is None else Path(feature_file))
    model_path = directory / MODEL_FILE
    found = _sha256(model_path) if model_path.is_file() else "no file"
    if found != manifest["model"]["sha256"]:
        raise ModelError(
            f"bundle {directory}: {MODEL_FILE} is not the file that the manifest describes (SHA-256 expected "
            f"{manifest['model']['sha256'][:12]}…, found {found[:12]}…); export the model again, or copy the "
            "folder whole"
        )
    description = {key: value for key, value in manifest["model"].items() if key not in ("file", "sha256")}
    model = SignalModel(_load_estimator(model_path), manifest["features"]["columns"], description)
    _verify_golden(directory, manifest, model)
    return Bundle(model, features, manifest)


def _bundle_directory(path: Path) -> Path:
    for directory in (path, path / "model.mlsignal"):
        if (directory / MANIFEST).is_file():
            return directory
    if not path.exists():
        raise ModelError(f"bundle {path}: there is no such folder")
    raise ModelError(f"bundle {path}: expected {MANIFEST} there, or in {path / 'model.mlsignal'}; found neither")


def _read_manifest(directory: Path) -> dict[str, Any]:
    try:
        manifest = json.loads((directory / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"bundle {directory}: {MANIFEST} cannot be read ({error})") from None
    if not isinstance(manifest, dict) or manifest.get("format") != FORMAT:
        raise ModelError(f"bundle {directory}: {MANIFEST} is not that of a bundle (format {FORMAT!r} expected)")
    if manifest.get("format_version") != FORMAT_VERSION:
        raise ModelError(
            f"bundle {directory}: format version {FORMAT_VERSION} expected, found {manifest.get('format_version')}; "
            "use the version of mlsignal that made it, or export again"
        )
    if manifest.get("manifest_sha256") != _manifest_sha256(manifest):
        raise ModelError(f"bundle {directory}: {MANIFEST} was changed after it was written (its own hash differs)")
    return manifest


def _verified_features(manifest: dict[str, Any], feature_file: Path | None) -> tuple[Feature, ...]:
    wanted = manifest["features"]
    expected_file = wanted["feature_file"]
    if expected_file is not None and feature_file is None:
        raise FeatureMismatchError(
            f"bundle: it was made with the feature file {expected_file['name']}; give the same one (--feature-file)"
        )
    if feature_file is not None:
        found = feature_file_sha256(feature_file) if feature_file.is_file() else "no file"
        expected = expected_file["sha256"] if expected_file else "none"
        if found != expected:
            raise FeatureMismatchError(
                f"bundle: the feature file {feature_file} is not the one it was made with "
                f"(SHA-256 expected {expected[:12]}…, found {found[:12]}…)"
            )
    selection = FeatureSelection.choose(wanted["sets"], feature_file)
    described = selection.describe()
    for expected, found in zip(wanted["definitions"], described["definitions"], strict=False):
        if expected != found:
            raise FeatureMismatchError(f"bundle: feature {expected['name']} was {expected}, is {found}; train again")
    if described["columns"] != wanted["columns"]:
        raise FeatureMismatchError(
            f"bundle: expected the features {', '.join(wanted['columns'])}; found {', '.join(described['columns'])}"
        )
    return selection.features


def _load_estimator(path: Path) -> Any:
    try:
        unknown = set(skops.io.get_untrusted_types(file=path))
        refused = sorted(unknown - ALLOWED_TYPES)
        if refused:
            raise ModelError(
                f"bundle: {path.name} holds types that are not allowed: {', '.join(refused)}; nothing was loaded"
            )
        estimator = skops.io.load(path, trusted=sorted(unknown))
        _verify_trees(estimator, path)
        return estimator
    except ModelError:
        raise
    except Exception as error:  # skops raises many kinds on files that are not its own
        raise ModelError(f"bundle: {path} cannot be read ({type(error).__name__}: {error})") from error


def _verify_trees(estimator: Any, path: Path) -> None:
    """Refuse trees whose nodes point outside of the tree, or at features that are not there."""
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    if isinstance(last, ThreeClassClassifier):
        last = last.estimator[-1] if hasattr(last.estimator, "steps") else last.estimator
    for member in np.ravel(getattr(last, "estimators_", [])):
        tree = member.tree_
        own, count = np.arange(tree.node_count), tree.node_count
        leaf = tree.children_left == -1
        for children in (tree.children_left, tree.children_right):
            inside = (children > own) & (children < count)
            if not np.where(leaf, children == -1, inside).all():
                raise ModelError(f"bundle: {path.name} holds a broken tree; nothing was run")
        if not np.where(leaf, True, (tree.feature >= 0) & (tree.feature < tree.n_features)).all():
            raise ModelError(f"bundle: {path.name} holds a tree of features that are not there; nothing was run")


def _verify_golden(directory: Path, manifest: dict[str, Any], model: SignalModel) -> None:
    golden = manifest["golden"]
    rows = np.array(golden["X"], dtype=np.float64).reshape(-1, model.n_features_in_)
    difference = float(np.abs(model.predict_proba(rows)[:, 1] - golden["p_up"]).max(initial=0.0))
    current = library_versions()
    other = [
        f"{name} {made} then, {current.get(name, 'absent')} now"
        for name, made in manifest["versions"].items()
        if current.get(name) != made
    ]
    if not difference <= GOLDEN_TOLERANCE:
        raise ModelError(
            f"bundle {directory}: the model gives other probabilities than when it was made (largest "
            f"difference {difference:.3g}); "
            f"{'; '.join(other) or 'the library versions are the same'}"
        )
    if other:
        logger.warning("bundle %s: %s; its golden rows still give the same probabilities", directory, "; ".join(other))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _manifest_sha256(manifest: Mapping[str, Any]) -> str:
    content = {key: value for key, value in manifest.items() if key != "manifest_sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
