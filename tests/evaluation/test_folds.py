"""The record of the folds: spans told by close times, few however many folds there are."""

import json

import numpy as np

from mlsignal.evaluation.folds import MOST_FOLDS, describe_folds
from mlsignal.learning.schemes import FoldOptions, make_folds
from mlsignal.learning.splits import Fold, holdout
from tests.learning.test_schemes import dataset

DATA = dataset(2_500, 5, gaps=(800,))


def close_time(row: int) -> str:
    return str(np.datetime64(int(DATA.candles.close_time_ms[DATA.position[row]]), "ms")) + "+00:00"


def test_description_tells_spans_and_counts_of_every_fold() -> None:
    split = holdout(DATA)
    folds = make_folds(DATA, split.train, FoldOptions("walk_forward", 6, embargo=3))
    told = describe_folds(DATA, folds, "walk_forward", embargo=3, test=split)
    assert (told["scheme"], told["embargo"], told["n_folds"]) == ("walk_forward", 3, 6)
    for entry, fold in zip(told["folds"], folds, strict=True):
        assert entry["train"] == [[close_time(fold.train[0]), close_time(fold.train[-1])]]
        assert entry["test"] == [[close_time(fold.test[0]), close_time(fold.test[-1])]]
        assert (entry["train_rows"], entry["test_rows"]) == (len(fold.train), len(fold.test))
        assert (entry["purged"], entry["embargoed"]) == (fold.purged, fold.embargoed) == (5, 3)
    assert (told["purged"], told["embargoed"]) == (30, 18)
    assert told["test"]["test"] == [[close_time(split.test[0]), close_time(len(DATA) - 1)]]
    assert json.loads(json.dumps(told)) == told


def test_description_of_combinatorial_folds_lists_blocks() -> None:
    folds = make_folds(DATA, np.arange(2_000), FoldOptions("combinatorial", 5))
    told = describe_folds(DATA, folds, "combinatorial")
    assert "test" not in told
    assert [len(entry["test"]) for entry in told["folds"]] == [1, 2, 2, 2, 1, 2, 2, 1, 2, 1]
    middle = told["folds"][5]  # blocks 2 and 4
    assert len(middle["train"]) == 3
    assert middle["test"][0] == [close_time(400), close_time(799)]


def test_description_of_many_folds_and_spans_stays_small() -> None:
    whole = dataset(2_500, 5)
    folds = make_folds(whole, np.arange(2_400), FoldOptions("walk_forward", 20, 25))
    assert len(folds) > 2 * MOST_FOLDS
    scattered = Fold(np.arange(0, 900, 2), np.arange(1_000, 1_100), 0)
    told = describe_folds(whole, [*folds, scattered], "walk_forward")
    numbers = [entry["fold"] for entry in told["folds"]]
    assert told["n_folds"] == len(folds) + 1
    assert len(numbers) == MOST_FOLDS
    assert (numbers[0], numbers[-1]) == (1, len(folds) + 1)
    assert told["folds"][-1]["train_rows"] == 450
    assert len(json.dumps(told)) < 20_000
