"""GET /metrics, in the text format of Prometheus or as OpenMetrics."""

from __future__ import annotations

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder

METRICS_PATH = "/metrics"


def add_metrics_route(router: APIRouter) -> None:
    """For a Prometheus server, or whoever speaks its language."""
    router.add_api_route(METRICS_PATH, metrics, methods=["GET"])


def _registry_of(request: Request) -> CollectorRegistry:
    return cast(CollectorRegistry, request.app.state.metrics)


def metrics(request: Request, registry: Annotated[CollectorRegistry, Depends(_registry_of)]) -> Response:
    """Figures for Prometheus; no UIDs, no patients."""
    encode, content_type = choose_encoder(request.headers.get("accept", ""))
    return Response(encode(registry), headers={"Content-Type": content_type, "Cache-Control": "no-store"})
