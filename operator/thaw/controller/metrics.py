"""The operator's Prometheus metrics."""

from __future__ import annotations

from collections import Counter as Tally

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

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
        self.own_events = Counter(
            "thaw_operator_own_events_total", "Heartbeats that came back by way of a watch.", registry=self.registry
        )
        self._states: dict[str, str] = {}

    def saw(self, uid: str, plan: Plan) -> None:
        """Counts what a plan says."""
        if plan.published_in is not None:
            self._published.observe(plan.published_in)
        state = getattr(plan.status, "state", None)
        if plan.released:
            self.forget(uid)
        elif state is not None and hasattr(plan.status, "snapshot_ref"):
            self._states[uid] = state
            self._count()

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
