"""A measurement of a bundle, as `dicomnode evaluate --card` keeps it."""

from __future__ import annotations

from datetime import date

from dicomnode.bundles.measured import CalibrationBin, Curve, Figure, Measured, MeasuredRows
from dicomnode.bundles.metadata import Task


def measured(digest: str, version: str = "0.1.0") -> Measured:
    """Of a small classifier on forty images."""
    rows = MeasuredRows(
        name="all",
        cases=40,
        unit="image",
        resampled="patient",
        figures={
            "accuracy": Figure(0.9, 0.85, 0.95),
            "sensitivity": Figure(0.925, 0.88, 0.97),
            "specificity": Figure(0.875, None, None),
            "auc": Figure(0.96, 0.92, 0.99),
            "npv": Figure(None),
        },
        classes={"tumour": {"recall": Figure(0.925, 0.88, 0.97)}, "none": {"recall": Figure(0.875)}},
        curve="roc",
        curves=(Curve("finding", 0.96, ((0.0, 0.0), (0.1, 0.8), (0.3, 0.95), (1.0, 1.0))),),
        operating_point=(0.125, 0.925),
        calibration=(CalibrationBin(0.6, 0.6667, 10, 0.63, 0.6), CalibrationBin(0.9333, 1.0, 30, 0.98, 0.97)),
        without_finding=(12, 5, 2, *([0] * 16), 1),
        with_finding=(*([0] * 15), 1, 2, 3, 5, 9),
    )
    return Measured(
        bundle_digest=digest,
        version=version,
        task=Task.CLASSIFICATION,
        data="pictures",
        split="test",
        threshold=0.5,
        command="dicomnode evaluate models/small --data DATA --split test",
        measured_on=date(2026, 11, 20),
        software="0.1.0",
        rows=(rows,),
    )
