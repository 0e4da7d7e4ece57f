"""The agent's Prometheus metrics, in a registry of their own so that tests can have many."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30, 60, 120)
_BYTES = tuple(float(1 << shift) for shift in range(20, 35))


class Metrics:
    """Everything that is counted."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.init = Histogram(
            "thaw_agent_init_duration_seconds", "Initialisations waited for.", buckets=_SECONDS, registry=registry
        )
        self.checkpoint = Histogram(
            "thaw_agent_checkpoint_duration_seconds", "Checkpoints by the kubelet.", buckets=_SECONDS, registry=registry
        )
        self.store = Histogram(
            "thaw_agent_store_duration_seconds", "Snapshots stored.", buckets=_SECONDS, registry=registry
        )
        self.materialise = Histogram(
            "thaw_agent_materialise_duration_seconds",
            "Snapshots and code packages put on the node.",
            ["kind"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.snapshot_bytes = Histogram(
            "thaw_agent_snapshot_bytes", "Snapshots' sizes before compression.", buckets=_BYTES, registry=registry
        )
        self.stored_bytes = Counter(
            "thaw_agent_stored_bytes", "Compressed bytes added to the store.", registry=registry
        )
        self.restores = Counter(
            "thaw_agent_restores_total",
            "Granted containers by how they started: restored, cold, fallback (a restore that failed), failed.",
            ["result"],
            registry=registry,
        )
        self.restore_seconds = Histogram(
            "thaw_agent_restore_duration_seconds", "Restores by thaw-runc.", buckets=_SECONDS, registry=registry
        )
        self.jobs = Counter(
            "thaw_agent_snapshot_jobs_total",
            "Snapshot jobs that ended, by code; done when well.",
            ["code"],
            registry=registry,
        )
        self.errors = Counter(
            "thaw_agent_errors_total", "Calls answered with an error, by its code.", ["code"], registry=registry
        )
        self.grants = Gauge("thaw_agent_grants", "Pods vouched for at present.", registry=registry)

    def render(self) -> bytes:
        """The text that Prometheus reads."""
        return generate_latest(self.registry)
