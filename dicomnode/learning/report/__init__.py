"""The report of a training run or an evaluation, as a page for people and figures for programs."""

from dicomnode.learning.report.page import Background, write_page, write_report

__all__ = ["Background", "write_page", "write_report"]
