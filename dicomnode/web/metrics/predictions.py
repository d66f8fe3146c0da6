"""Counts what was shown to models at this process, on the page Predict or by its interface."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter

from dicomnode.web.metrics.catalogue import NAMED


class PredictionFigures:
    """The counter, in a registry of one application."""

    def __init__(self, registry: CollectorRegistry) -> None:
        counted = NAMED["dicomnode_predictions_total"]
        self._counted = Counter(counted.name, counted.text, counted.labels, registry=registry)

    @contextmanager
    def count(self, model_name: str) -> Iterator[None]:
        """Count a prediction as answered, or as failed if the block ends by an error."""
        outcome = "failed"
        try:
            yield
            outcome = "answered"
        finally:
            self._counted.labels(model_name, outcome).inc()
