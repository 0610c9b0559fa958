"""The sections of the report, from top to bottom: a new one is one function, named here."""

from collections.abc import Callable

from mlsignal.report.blocks import Section
from mlsignal.report.sections.calibration import calibration_section, coverage_section
from mlsignal.report.sections.data import data_section, reproducibility_section
from mlsignal.report.sections.economics import equity_section
from mlsignal.report.sections.features import importance_section
from mlsignal.report.sections.predictions import confusion_section, price_section, roc_section
from mlsignal.report.sections.scores import folds_section, scores_section
from mlsignal.report.sections.ties import ties_section
from mlsignal.report.sections.verdict import verdict_section
from mlsignal.report.story import Story

SECTIONS: tuple[Callable[[Story], Section], ...] = (
    verdict_section,
    scores_section,
    folds_section,
    price_section,
    roc_section,
    calibration_section,
    coverage_section,
    ties_section,
    confusion_section,
    importance_section,
    equity_section,
    data_section,
    reproducibility_section,
)
