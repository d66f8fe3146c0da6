"""What networks cost: parameters, memory, time and operations, beside the published figures."""

from dicomnode.learning.benchmarks.candidates import CANDIDATES, PUBLISHED_SIZE
from dicomnode.learning.benchmarks.measuring import Conditions, Measurement, Spread, default_conditions, measure_all
from dicomnode.learning.benchmarks.published import PUBLISHED, SOURCE, PublishedCost

__all__ = [
    "CANDIDATES",
    "PUBLISHED",
    "PUBLISHED_SIZE",
    "SOURCE",
    "Conditions",
    "Measurement",
    "PublishedCost",
    "Spread",
    "default_conditions",
    "measure_all",
]
