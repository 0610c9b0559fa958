"""What training leaves behind."""

from dataclasses import dataclass
from typing import Any

from mlsignal.candles import Floats, Times
from mlsignal.dataset import Dataset
from mlsignal.learning.models import Engine
from mlsignal.learning.splits import Fold
from mlsignal.learning.training import CrossValidation


@dataclass(frozen=True)
class Learned:
    """Trained models and what they say of the test rows; nothing they learnt from has seen these.

    Attributes
    ----------
    dataset, split, folds, validation
        The rows, the 80/20 split in time, and the cross-validation inside its training side.
    estimators
        Each model as it would serve the rows to come: fitted on the whole training side, or, where models are fitted
        anew over the test rows, the last of these fits.
    test_p_up
        Model -> its scores of the test rows, shape (n_test,); each by a fit that knew no label of that row's time.
    test_classes
        Model -> its probabilities of down, up and tie, shape (n_test, 3), by the same fits; only where ties are one.
    test_position
        Indices of the candles of the test span that get a signal, ascending, shape (n_signals,): the test rows' and
        those whose label is unknown, as before a gap and at the end.
    test_signals
        Model -> its scores of these, shape (n_signals,), by the same fits.
    selected
        The model with the best score over the folds.
    engine
        What the folds were fitted with; `estimators` are always plain.
    test_folds
        The refits over the test rows; the split itself where there is one fit only.
    """

    dataset: Dataset
    split: Fold
    folds: tuple[Fold, ...]
    validation: CrossValidation
    estimators: dict[str, Any]
    test_p_up: dict[str, Floats]
    test_classes: dict[str, Floats]
    test_position: Times
    test_signals: dict[str, Floats]
    selected: str
    engine: Engine
    test_folds: tuple[Fold, ...]
