"""The sections of the report, from top to bottom: a new one is one function, named here."""

from collections.abc import Callable

from mlsignal.report.blocks import Section
from mlsignal.report.sections.audit import audit_section
from mlsignal.report.sections.backtest import backtest_section, decision_section
from mlsignal.report.sections.breakeven import breakeven_section
from mlsignal.report.sections.calibration import calibration_section, coverage_section
from mlsignal.report.sections.data import data_section, reproducibility_section
from mlsignal.report.sections.features import importance_section
from mlsignal.report.sections.predictions import confusion_section, price_section, roc_section
from mlsignal.report.sections.scores import folds_section, scores_section
from mlsignal.report.sections.significance import significance_section, trials_section
from mlsignal.report.sections.splits import splits_section
from mlsignal.report.sections.ties import ties_section
from mlsignal.report.sections.verdict import verdict_section
from mlsignal.report.story import Story

SECTIONS: tuple[Callable[[Story], Section], ...] = (
    verdict_section,
    scores_section,
    significance_section,
    ties_section,
    coverage_section,
    breakeven_section,
    decision_section,
    backtest_section,
    trials_section,
    splits_section,
    folds_section,
    audit_section,
    price_section,
    roc_section,
    calibration_section,
    confusion_section,
    importance_section,
    data_section,
    reproducibility_section,
)
