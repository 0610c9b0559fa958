"""Figures and one self-contained HTML page."""

from mlsignal.report.page import write_report

__all__ = ["write_report"]
