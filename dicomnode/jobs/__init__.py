"""From a complete study to a finished job: routing, traces, leases, workers."""
