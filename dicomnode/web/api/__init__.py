"""The REST API under `/api/v1`: what every page shows and does, for programs."""
