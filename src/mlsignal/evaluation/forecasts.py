"""What models and baselines say of the test rows: as stated, and as probabilities given that the candle moves."""

from dataclasses import dataclass

import numpy as np

from mlsignal.candles import Floats
from mlsignal.evaluation.baselines import Baseline, fit_baselines
from mlsignal.learning.calibration import Calibration, calibrate_on_folds
from mlsignal.learning.learned import Learned
from mlsignal.metrics import Bools, Labels01


@dataclass(frozen=True)
class Forecasts:
    """Forecasts of the test rows, arrays of shape (n_test,).

    Attributes
    ----------
    y, tie
        What came.
    p_up
        Model -> probability of up as stated.
    p_moved
        Model -> P(up | the candle moves), by a calibration that was fitted on out-of-fold scores of training rows.
    calibrations
        Model -> that calibration.
    training_confidence
        Model -> |P(up | moves) - .5| of its out-of-fold scores.
    baselines
        What anyone could say.
    """

    y: Labels01
    tie: Bools
    p_up: dict[str, Floats]
    p_moved: dict[str, Floats]
    calibrations: dict[str, Calibration]
    training_confidence: dict[str, Floats]
    baselines: dict[str, Baseline]


def make_forecasts(learned: Learned) -> Forecasts:
    """Calibrate every model on its folds, and let models and baselines speak of the test rows."""
    dataset, test = learned.dataset, learned.split.test
    results = learned.validation.results
    calibrations = {name: calibrate_on_folds(dataset, results[name]) for name in results}
    confidence = {
        name: np.abs(calibrations[name](np.concatenate([fold.p_up for fold in results[name]])) - 0.5)
        for name in results
    }
    return Forecasts(
        y=dataset.y[test],
        tie=dataset.tie[test],
        p_up=learned.test_p_up,
        p_moved={name: calibrations[name](p_up) for name, p_up in learned.test_p_up.items()},
        calibrations=calibrations,
        training_confidence=confidence,
        baselines=fit_baselines(dataset, learned.split),
    )
