"""What a Prometheus server reads at /metrics."""
