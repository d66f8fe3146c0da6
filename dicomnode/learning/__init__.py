"""The training and evaluation engine: data sources, loops, metrics, reports."""
