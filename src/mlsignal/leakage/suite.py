"""The checks together, in two sizes: all that an audit asks for, and what every run can afford."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mlsignal.candles import Candles, Times
from mlsignal.dataset import Dataset
from mlsignal.features.feature import Feature, FeatureFrame
from mlsignal.labels import Labels
from mlsignal.leakage.causality import check_future, check_prefixes
from mlsignal.leakage.computation import Audited
from mlsignal.leakage.finding import CheckResult, LeakageReport, merge_checks
from mlsignal.leakage.folds import check_duplicates, check_overlap, check_shared, name_folds
from mlsignal.leakage.labelling import check_label_spans, check_labels
from mlsignal.leakage.memory import check_lookbacks
from mlsignal.leakage.missing import check_missing
from mlsignal.leakage.positions import choose_positions
from mlsignal.leakage.state import check_determinism, check_unseen, writers
from mlsignal.leakage.target import check_target
from mlsignal.learning.splits import Fold


@dataclass(frozen=True)
class Thoroughness:
    """At how many places the checks of features look.

    Attributes
    ----------
    prefixes
        Candles after which the series is cut off.
    futures
        Candles after which the series is made up.
    windows
        Candles, for each column, whose value is computed from its lookback alone.
    halves
        Of these, how many are tried with half of the lookback.
    unseen
        Copies of the candles at other times and levels.
    """

    prefixes: int = 48
    futures: int = 24
    windows: int = 3_000
    halves: int = 48
    unseen: int = 6


THOROUGH = Thoroughness()
QUICK_SAMPLE = Thoroughness(prefixes=12, futures=12, windows=0, halves=0, unseen=2)
"""For a sample of the candles."""
QUICK_WINDOWS = 48
QUICK_ROWS = 1_000
"""Candles of the sample, beyond the longest lookback."""
QUICK_TARGET_ROWS = 4_000


def check_features(
    candles: Candles,
    features: Sequence[Feature],
    *,
    seed: int = 0,
    thoroughness: Thoroughness = THOROUGH,
    forgiving: bool = False,
) -> tuple[CheckResult, ...]:
    """Hold features to what they declare: the past alone, a memory that ends, the same again.

    Parameters
    ----------
    candles
        At least one, gaps allowed.
    features
        What to audit.
    seed
        Of the candles looked at and of what is made up.
    thoroughness
        At how many places to look.
    forgiving
        Whether a feature that fails on these candles is left out, as on a sample of candles on which it did not.

    Returns
    -------
    tuple of CheckResult
        determinism, prefixes, future as noise, lookback, unseen candles.

    Raises
    ------
    ConfigurationError
        If a feature fails on the candles as they are, unless `forgiving`.
    MissingColumnError
        If the candles lack a column that a feature reads.
    """
    stretch = _longest_stretch(candles)
    determinism = check_determinism(stretch, Audited(tuple(features)), seed)
    # Who writes into its input would spoil the candles for the others.
    refused = writers(determinism, tuple(features))
    audited = Audited(tuple(item for item in features if item not in refused))
    if not audited.features:
        return (determinism,)
    unseen = check_unseen(stretch, audited, thoroughness.unseen, seed)
    wholes = audited.wholes(candles, audited.through_engine(candles) if forgiving else None)
    prefixes = check_prefixes(candles, audited, wholes, _positions(candles, audited, thoroughness.prefixes, seed, 6))
    future_positions = _positions(candles, audited, thoroughness.futures, seed, 7)
    future = check_future(candles, audited, wholes, future_positions, seed)
    results = [determinism, prefixes, future]
    if thoroughness.windows:
        results += check_lookbacks(candles, audited, wholes, thoroughness.windows, seed, thoroughness.halves)
    return merge_checks([*results, unseen])


def check_rows(
    frame: FeatureFrame,
    labels: Labels,
    dataset: Dataset,
    folds: Mapping[str, Sequence[Fold]],
    *,
    target_rows: int | None = None,
) -> tuple[CheckResult, ...]:
    """Check columns and their absence against the target, labels, their spans, and both sides of every fold.

    Parameters
    ----------
    frame, labels, dataset
        What training was given, of the same candles.
    folds
        Every split that was used: name -> its folds.
    target_rows
        Rows at which columns are compared with the target; all where it is None.
    """
    named = name_folds(folds)
    return merge_checks(
        [
            check_target(frame, labels, target_rows),
            check_missing(frame, labels),
            check_labels(frame.candles, labels),
            check_label_spans(dataset),
            check_shared(dataset, named),
            check_overlap(dataset, named),
            check_duplicates(dataset, named),
        ]
    )


def quick_audit(
    frame: FeatureFrame,
    features: Sequence[Feature],
    labels: Labels,
    dataset: Dataset,
    folds: Mapping[str, Sequence[Fold]],
    *,
    seed: int = 0,
) -> LeakageReport:
    """Return what a run can afford to look at: a sample of the candles, every fold, every column against the target.

    Parameters
    ----------
    frame
        The features as training was given them.
    features
        What computed them.
    labels, dataset, folds
        As of `check_rows`.
    seed
        Of the sample.
    """
    candles = frame.candles
    audited = Audited(tuple(features))
    sample = _sample(candles, audited.longest + QUICK_ROWS, seed)
    results = list(check_features(sample, features, seed=seed, thoroughness=QUICK_SAMPLE, forgiving=True))
    results += check_lookbacks(candles, audited, audited.wholes(candles, frame.values), QUICK_WINDOWS, seed, halves=0)
    results += check_rows(frame, labels, dataset, folds, target_rows=QUICK_TARGET_ROWS)
    return LeakageReport(merge_checks(results))


def _positions(candles: Candles, audited: Audited, count: int, seed: int, stream: int) -> Times:
    """Choose candles at which all columns are there, and others at which the shortest are."""
    random = np.random.default_rng([seed, stream])
    late = choose_positions(candles, audited.longest, count - count // 4, random)
    early = choose_positions(candles, min(audited.lookbacks), count - len(late), random)
    return np.union1d(late, early)


def _longest_stretch(candles: Candles) -> Candles:
    start, stop = max(candles.segment_bounds, key=lambda bounds: bounds[1] - bounds[0])
    return candles[start:stop]


def _sample(candles: Candles, rows: int, seed: int) -> Candles:
    """Return consecutive candles, around a gap where there is one."""
    random = np.random.default_rng([seed, 8])
    gaps = candles.gap_starts
    middle = int(random.choice(gaps)) if len(gaps) else int(random.integers(0, len(candles)))
    start = max(0, min(middle - rows // 2, len(candles) - rows))
    return candles[start : start + rows]
