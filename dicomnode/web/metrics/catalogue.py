"""Every metric of the node. docker/README.md lists the same, and a test says so."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class MetricKind(StrEnum):
    """What Prometheus may do with a metric."""

    GAUGE = "gauge"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric.

    Attributes:
        name: As a query names it; of a histogram, without ``_bucket``, ``_count`` and ``_sum``.
        kind: What Prometheus may do with it.
        text: What it says.
        labels: Names of its labels. Their values come from the settings or are words of the node: no UIDs, no patients.
    """

    name: str
    kind: MetricKind
    text: str
    labels: tuple[str, ...] = ()


_GAUGE, _COUNTER, _HISTOGRAM = MetricKind.GAUGE, MetricKind.COUNTER, MetricKind.HISTOGRAM

METRICS: tuple[Metric, ...] = (
    Metric("dicomnode_build_info", _GAUGE, "Always 1", ("version", "ae_title")),
    Metric("dicomnode_role_up", _GAUGE, "Whether a process of the role runs", ("role",)),
    Metric("dicomnode_role_heartbeat_age_seconds", _GAUGE, "Since one said last that it runs", ("role",)),
    Metric("dicomnode_alarms", _GAUGE, "Alarms that are on", ("kind",)),
    Metric("dicomnode_studies", _GAUGE, "Studies", ("state",)),
    Metric("dicomnode_instances", _GAUGE, "Instances that are kept, by whatever way they came", ("kind",)),
    Metric("dicomnode_received_instances_total", _COUNTER, "Instances taken by C-STORE, known ones too", ("peer",)),
    Metric("dicomnode_received_bytes_total", _COUNTER, "Their bytes", ("peer",)),
    Metric("dicomnode_received_duplicates_total", _COUNTER, "Those of them that were here already", ("peer",)),
    Metric("dicomnode_conflicting_instances_total", _COUNTER, "Known UID, other content: kept aside", ("peer",)),
    Metric("dicomnode_refused_instances_total", _COUNTER, "Other instances that were not taken", ("peer",)),
    Metric("dicomnode_rejected_associations_total", _COUNTER, "Associations that were refused", ("peer",)),
    Metric("dicomnode_dropped_connections_total", _COUNTER, "Ended because nothing came", ("peer",)),
    Metric("dicomnode_jobs", _GAUGE, "Jobs", ("state",)),
    Metric("dicomnode_open_jobs", _GAUGE, "Jobs that wait or run", ("model", "state")),
    Metric("dicomnode_queue_age_seconds", _GAUGE, "Since when the oldest job waits for a worker; 0: none does"),
    Metric("dicomnode_job_queue_seconds", _HISTOGRAM, "From routing to the first attempt, live work", ("model",)),
    Metric("dicomnode_job_seconds", _HISTOGRAM, "The last attempt at a job", ("model", "outcome")),
    Metric("dicomnode_answer_seconds", _HISTOGRAM, "From a study's last image to the answer, live work", ("model",)),
    Metric("dicomnode_proof_seconds", _HISTOGRAM, "From a study's last image to proof of delivery", ("target",)),
    Metric("dicomnode_predictions_total", _COUNTER, "Files shown to a model at this process", ("model", "outcome")),
    Metric("dicomnode_models", _GAUGE, "Approved models", ("state",)),
    Metric("dicomnode_deliveries", _GAUGE, "Deliveries", ("target", "state")),
    Metric("dicomnode_delivery_proofs", _GAUGE, "Deliveries by what is known of their arrival", ("target", "proof")),
    Metric("dicomnode_delivery_age_seconds", _GAUGE, "Since when the oldest waiting one waits; 0: none", ("target",)),
    Metric("dicomnode_peer_up", _GAUGE, "Whether it answered the last echo as it should", ("kind", "peer")),
    Metric("dicomnode_peer_echo_seconds", _GAUGE, "How long that took", ("kind", "peer")),
    Metric("dicomnode_peer_echo_age_seconds", _GAUGE, "Since when", ("kind", "peer")),
    Metric("dicomnode_storage_free_bytes", _GAUGE, "Left on the data folder's disk"),
    Metric("dicomnode_storage_size_bytes", _GAUGE, "Size of that disk"),
    Metric("dicomnode_storage_refuse_below_bytes", _GAUGE, "The lower water mark"),
    Metric("dicomnode_storage_accept_above_bytes", _GAUGE, "The upper water mark"),
    Metric("dicomnode_storage_refusing", _GAUGE, "Whether instances are refused for want of room"),
    Metric("dicomnode_database_bytes", _GAUGE, "Size of the index"),
    Metric("dicomnode_audit_waiting", _GAUGE, "Audit messages that a sink has not got yet", ("sink",)),
    Metric("dicomnode_notifications_waiting", _GAUGE, "Notifications to be sent", ("channel",)),
    Metric("dicomnode_notifications_given_up", _GAUGE, "Notifications that could not be sent", ("channel",)),
    Metric("dicomnode_device_memory_used_bytes", _GAUGE, "Used by the workers on it", ("device",)),
    Metric("dicomnode_device_memory_size_bytes", _GAUGE, "Memory of the device", ("device",)),
    Metric("dicomnode_device_models", _GAUGE, "Models loaded there", ("device",)),
    Metric("dicomnode_http_requests_total", _COUNTER, "Answered by this process", ("method", "route", "status")),
    Metric("dicomnode_http_request_seconds", _HISTOGRAM, "Until the last byte of the answer", ("route",)),
)

NAMED: Mapping[str, Metric] = MappingProxyType({metric.name: metric for metric in METRICS})
