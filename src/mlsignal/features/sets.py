"""Which features there are: the named sets, and the user's own from a Python file."""

import hashlib
import importlib.util
import sys
from collections.abc import Sequence
from pathlib import Path

from mlsignal.errors import ConfigurationError, did_you_mean
from mlsignal.features.classic import CLASSIC
from mlsignal.features.feature import Feature, feature_names

FEATURE_SETS: dict[str, tuple[Feature, ...]] = {"classic": CLASSIC}


def select_features(sets: Sequence[str], feature_file: Path | None = None) -> tuple[Feature, ...]:
    """Gather the features of named sets, and of a file, in order.

    Raises
    ------
    ConfigurationError
        If a set is unknown, the file is not usable, or two features share a column name.
    """
    features: list[Feature] = []
    for name in sets:
        if name not in FEATURE_SETS:
            raise ConfigurationError(f"features: there is no set {name!r}. {did_you_mean(name, FEATURE_SETS)}")
        features.extend(item for item in FEATURE_SETS[name] if item not in features)
    if feature_file is not None:
        features.extend(load_feature_file(feature_file))
    if not features:
        raise ConfigurationError("features: none chosen; name a set (classic) or give a --feature-file")
    feature_names(features)
    return tuple(features)


def load_feature_file(path: Path) -> tuple[Feature, ...]:
    """Run a Python file and take the features that it defines with `@feature`, in order.

    The file is code and is run as such: load only what you trust.

    Raises
    ------
    ConfigurationError
        If the file is absent, fails, or defines no feature.
    """
    if not path.is_file():
        raise ConfigurationError(f"feature file {path}: there is no such file")
    name = f"mlsignal_feature_file_{feature_file_sha256(path)[:16]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ConfigurationError(f"feature file {path}: expected a Python file ending in .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(f"feature file {path} failed: {type(error).__name__}: {error}") from error
    found = tuple(dict.fromkeys(item for item in vars(module).values() if isinstance(item, Feature)))
    if not found:
        raise ConfigurationError(
            f"feature file {path}: no feature found; decorate a function with @feature(lookback=...)"
        )
    return found


def feature_file_sha256(path: Path) -> str:
    """Return the SHA-256 of a feature file: what a bundle remembers of it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
