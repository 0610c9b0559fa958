"""Whether a feature is a function: the same again, whatever was computed before, and its input left alone."""

import numpy as np

from mlsignal.candles import Candles, Floats
from mlsignal.features.feature import Feature
from mlsignal.leakage.alteration import alter_rows, unseen, writable_copy
from mlsignal.leakage.computation import Audited, told_difference, told_time
from mlsignal.leakage.finding import CheckResult, Finding
from mlsignal.leakage.positions import choose_positions

DETERMINISM = "determinism"
UNSEEN = "unseen candles"
MOST_ROWS = 4_000
"""Rows of a market made up of known candles."""


def check_determinism(candles: Candles, audited: Audited, seed: int) -> CheckResult:
    """Compute each feature again, and once more after another market: the same, and nothing written into the input.

    Parameters
    ----------
    candles
        A gap-free stretch.
    audited
        The features.
    seed
        Of the other market.

    Returns
    -------
    CheckResult
        A finding for each column that changes, and for each feature that writes into its input.
    """
    random = np.random.default_rng([seed, 3])
    other = alter_rows(candles, np.arange(len(candles)), "shuffled", random)
    other = alter_rows(other, np.arange(len(candles) // 2, len(candles)), "scaled", random)
    found: list[Finding] = []
    for item in audited.features:
        only = Audited((item,))
        given = writable_copy(candles)
        first = only.directly(given)
        if _changed(given, candles):
            found.append(Finding(DETERMINISM, item.name, "writes into the candles that it is given"))
        found += _compare(candles, only, first, only.directly(writable_copy(candles)), "when it is computed again")
        only.directly(writable_copy(other))
        found += _compare(
            candles, only, first, only.directly(writable_copy(candles)), "once another market was computed"
        )
    told = f"{len(audited.names)} columns, again and after another market"
    return CheckResult(DETERMINISM, told, 2 * len(audited.names), tuple(found))


def check_unseen(candles: Candles, audited: Audited, count: int, seed: int) -> CheckResult:
    """Compute on candles never met before, first without their future and then with it.

    What a feature kept of an earlier call cannot help here: whatever it knows of these candles it has been given.

    Parameters
    ----------
    candles
        A gap-free stretch; it is moved in time and level.
    audited
        The features.
    count
        How often.
    seed
        Of positions and movement.

    Returns
    -------
    CheckResult
        A finding for each column that changes once the later candles were shown.
    """
    random = np.random.default_rng([seed, 4])
    newest = candles.last(max(MOST_ROWS, audited.longest + MOST_ROWS // 4))
    positions = choose_positions(newest[:-1], audited.longest, count, random)
    found: dict[str, Finding] = {}
    for number, t in enumerate(random.permutation(positions).tolist()):
        market = unseen(newest, number, random)
        before = audited.directly(market[: t + 1])
        after = audited.directly(market)[: t + 1]
        apart = audited.different(market.close[: t + 1], before, after)
        for k in np.flatnonzero(apart.any(axis=0)).tolist():
            row = int(np.argmax(apart[:, k]))
            told = (
                f"on candles never met before, the value of {told_time(newest, row)} changes once those after "
                f"{told_time(newest, t)} are shown: {told_difference(float(before[row, k]), float(after[row, k]))}"
            )
            found.setdefault(audited.names[k], Finding(UNSEEN, audited.names[k], told))
    told = f"{len(audited.names)} columns on {len(positions)} moved markets"
    return CheckResult(UNSEEN, told, len(positions), tuple(found.values()))


def _changed(given: Candles, original: Candles) -> bool:
    same_times = np.array_equal(given.open_time_ms, original.open_time_ms)
    return not same_times or any(
        not np.array_equal(given.column(name), original.column(name)) for name in original.columns
    )


def _compare(candles: Candles, only: Audited, first: Floats, again: Floats, told: str) -> list[Finding]:
    apart = only.different(candles.close, first, again)
    found = []
    for k in np.flatnonzero(apart.any(axis=0)).tolist():
        row = int(np.argmax(apart[:, k]))
        size = told_difference(float(first[row, k]), float(again[row, k]))
        explanation = f"the value of {told_time(candles, row)} is another {told}: {size}"
        found.append(Finding(DETERMINISM, only.names[k], explanation))
    return found


def writers(result: CheckResult, features: tuple[Feature, ...]) -> tuple[Feature, ...]:
    """Return the features that a determinism check found writing into their input."""
    named = {finding.culprit for finding in result.findings if "writes into" in finding.explanation}
    return tuple(item for item in features if item.name in named)
