"""The operator's Prometheus metrics."""

from __future__ import annotations

from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from thaw.api.v1alpha1 import SnapshotStatus
from thaw.decide.plan import Plan

_PUBLISH_BUCKETS = (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 300, 900)


class Metrics:
    """All of them, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.duration = Histogram(
            "thaw_operator_reconcile_duration_seconds",
            "One pass: observe, decide, apply.",
            ["kind"],
            registry=self.registry,
        )
        self.errors = Counter(
            "thaw_operator_reconcile_errors_total", "Passes that failed.", ["kind", "error"], registry=self.registry
        )
        self._versions = Gauge("thaw_versions", "FunctionVersions by state.", ["state"], registry=self.registry)
        self._published = Histogram(
            "thaw_snapshot_publish_duration_seconds",
            "From a FunctionVersion's creation to Active with a snapshot.",
            buckets=_PUBLISH_BUCKETS,
            registry=self.registry,
        )
        self.recycles = Counter(
            "thaw_recycles_total",
            "Snapshots made anew, or tried to, by cause and by outcome: succeeded, failed.",
            ["cause", "outcome"],
            registry=self.registry,
        )
        self._bytes = Gauge(
            "thaw_snapshot_bytes",
            "Snapshots in use, by what is counted: raw before compression, stored what they added to the store.",
            ["kind"],
            registry=self.registry,
        )
        self._snapshots = Gauge("thaw_snapshots", "Snapshots by phase.", ["phase"], registry=self.registry)
        self.own_events = Counter(
            "thaw_operator_own_events_total", "Heartbeats that came back by way of a watch.", registry=self.registry
        )
        self._states: dict[str, str] = {}
        self._kept: dict[str, SnapshotStatus] = {}

    def saw(self, uid: str, plan: Plan) -> None:
        """Counts what a plan says."""
        if plan.published_in is not None:
            self._published.observe(plan.published_in)
        if plan.recycled is not None:
            outcome = "succeeded" if plan.recycled.succeeded else "failed"
            self.recycles.labels(plan.recycled.cause, outcome).inc()
        state = getattr(plan.status, "state", None)
        if plan.released:
            self.forget(uid)
        elif state is not None and hasattr(plan.status, "snapshot_ref"):
            self._states[uid] = state
            self._count()

    def saw_snapshot(self, uid: str, status: SnapshotStatus | None) -> None:
        """A Snapshot as it is now; None: it is gone."""
        self._kept.pop(uid, None)
        if status is not None:
            self._kept[uid] = status
        phases = Tally(s.phase or "Creating" for s in self._kept.values())
        for phase in ("Creating", "Ready", "Quarantined", "Deleting"):
            self._snapshots.labels(phase).set(phases[phase])
        self._bytes.labels("raw").set(sum(s.size_bytes or 0 for s in self._kept.values()))
        self._bytes.labels("stored").set(sum(s.stored_bytes or 0 for s in self._kept.values()))

    def forget(self, uid: str) -> None:
        """The object is gone."""
        if self._states.pop(uid, None) is not None:
            self._count()

    def text(self) -> bytes:
        """In Prometheus's text format."""
        return generate_latest(self.registry)

    def _count(self) -> None:
        tally = Tally(self._states.values())
        for state in ("Pending", "Active", "Inactive", "Failed"):
            self._versions.labels(state).set(tally[state])
