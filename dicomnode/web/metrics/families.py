"""Metrics in the forms that prometheus_client writes, with names, labels and texts from the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import accumulate
from typing import TypeVar

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily

from dicomnode.archive.figures import BOUNDS, Histogram
from dicomnode.web.metrics.catalogue import NAMED, MetricKind

Labels = TypeVar("Labels", bound=str | tuple[str, ...])
Family = GaugeMetricFamily | CounterMetricFamily | HistogramMetricFamily


def family(name: str, values: Mapping[Labels, float]) -> Family:
    """A gauge or counter: each value under its label, or its labels in the catalogue's order."""
    metric = NAMED[name]
    made = (CounterMetricFamily if metric.kind is MetricKind.COUNTER else GaugeMetricFamily)(
        name, metric.text, labels=metric.labels
    )
    for labels, value in values.items():
        made.add_metric([labels] if isinstance(labels, str) else list(labels), value)
    return made


def single(name: str, value: float) -> Family:
    """A gauge without labels."""
    return family(name, {(): value})


def histogram(name: str, histograms: Iterable[Histogram]) -> Family:
    """A histogram of the index."""
    metric = NAMED[name]
    made = HistogramMetricFamily(name, metric.text, labels=metric.labels)
    ends = [*map(str, BOUNDS), "+Inf"]
    for item in histograms:
        buckets = list(zip(ends, map(float, accumulate(item.counts)), strict=True))
        made.add_metric(list(item.labels), buckets, item.seconds)
    return made
