"""The classifiers: one function each, by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal, get_args

from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlsignal.errors import ConfigurationError, MissingExtraError, did_you_mean
from mlsignal.learning.boosting import BoostedTrees, load_lightgbm
from mlsignal.learning.forest import BinnedForest, FeatureBins

Engine = Literal["plain", "accel"]


@dataclass(frozen=True)
class ModelContext:
    """What a classifier may depend on.

    Attributes
    ----------
    n_train
        Rows it will learn from.
    seed
        Of its random numbers.
    n_trees
        For forests.
    engine
        "plain" is scikit-learn; "accel" is scikit-learn-intelex, where it has the model.
    n_threads
        For the accelerated engine, which brings threads of its own; the plain one follows joblib's context.
    kept
        Whether the fitted model will be handed out; one that only predicts a few rows need not be made fit for that.
    """

    n_train: int
    seed: int = 0
    n_trees: int = 100
    engine: Engine = "plain"
    n_threads: int = 1
    kept: bool = True


Build = Callable[[ModelContext], Any]
"""Makes something whose ``fit(X, y)`` returns a fitted scikit-learn classifier."""
MODELS: dict[str, Build] = {}


def model(name: str) -> Callable[[Build], Build]:
    """Register a function that makes something whose ``fit(X, y)`` returns a fitted scikit-learn classifier."""

    def decorate(build: Build) -> Build:
        MODELS[name] = build
        return build

    return decorate


@model("logistic_regression")
def logistic_regression(context: ModelContext) -> Any:
    """Logistic regression on scaled features, both classes weighing the same.

    Newton's method converges in a few steps where the moving averages are nearly collinear and L-BFGS takes hundreds.
    """
    del context
    classifier = LogisticRegression(class_weight="balanced", solver="newton-cholesky", max_iter=1000)
    return make_pipeline(StandardScaler(), classifier)


@model("random_forest")
def random_forest(context: ModelContext) -> Any:
    """Random forest of shallow trees, both classes weighing the same.

    Leaves of at least 20 rows and a 400th of the training rows, each tree on a fifth of them (200 at least): an
    unbounded forest learns the noise of candles by heart, takes ten times as long and foresees less. Both engines bin
    the features.
    """
    options = {
        "n_estimators": context.n_trees,
        "min_samples_leaf": max(20, context.n_train // 400),
        "max_samples": max(min(200, context.n_train), round(context.n_train / 5)),
        "class_weight": "balanced",
        "random_state": context.seed,
    }
    if context.engine == "accel":
        return _accelerated_forest()(n_jobs=context.n_threads, **options)
    return BinnedForest(RandomForestClassifier(**options), FeatureBins())


@model("lightgbm")
def lightgbm(context: ModelContext) -> Any:
    """Gradient-boosted trees of LightGBM (extra `boost`), both classes weighing the same; handed out as scikit-learn's.

    100 trees of 31 leaves at a rate of .05, the leaves of at least 20 rows and a 400th of the training rows, as in the
    forest. `ModelContext.n_trees` is for forests alone.
    """
    return BoostedTrees(min_leaf_rows=max(20, context.n_train // 400), seed=context.seed, kept=context.kept)


def load_libraries(engine: str, models: Sequence[str]) -> None:
    """Import what an engine and models need now: it comes late otherwise, in the midst of a job.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    if choose_engine(engine) == "accel":
        _accelerated_forest()
    if "lightgbm" in models:
        load_lightgbm()


def _accelerated_forest() -> Any:
    try:
        from sklearnex.ensemble import RandomForestClassifier as Accelerated  # noqa: PLC0415  # optional extra
    except ImportError:
        raise MissingExtraError.for_extra("the engine accel", "accel") from None
    return Accelerated


def build_model(name: str, context: ModelContext) -> Any:
    """Make an unfitted classifier by its name.

    Raises
    ------
    ConfigurationError
        If there is no model of that name.
    """
    if name not in MODELS:
        raise ConfigurationError(f"model: there is no {name!r}. {did_you_mean(name, MODELS)}")
    return MODELS[name](context)


def choose_engine(engine: str = "auto") -> Engine:
    """Resolve "auto": the accelerated engine where it is installed, else the plain one.

    Raises
    ------
    ConfigurationError
        If the name is unknown.
    MissingExtraError
        If "accel" is asked for and not installed.
    """
    installed = find_spec("sklearnex") is not None
    if engine == "auto":
        return "accel" if installed else "plain"
    if engine == "accel" and not installed:
        raise MissingExtraError.for_extra("the engine accel", "accel")
    if engine not in get_args(Engine):
        raise ConfigurationError(f"engine: expected auto, plain or accel, found {engine!r}")
    return "accel" if engine == "accel" else "plain"
