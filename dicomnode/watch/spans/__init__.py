"""Each completion of a study as an OpenTelemetry trace."""
