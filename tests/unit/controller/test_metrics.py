"""What the operator counts."""

from __future__ import annotations

from datetime import UTC, datetime

from thaw.api.v1alpha1 import RecycleOutcome, SnapshotStatus
from thaw.controller.metrics import Metrics
from thaw.decide.plan import Plan


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def test_recycles_by_cause_and_outcome() -> None:
    metrics, now = Metrics(), datetime.now(UTC)
    for succeeded in (True, True, False):
        outcome = RecycleOutcome(cause="RuntimeImage", succeeded=succeeded, ended=now)
        metrics.saw("v", Plan(recycled=outcome))
    assert value(metrics, "thaw_recycles_total", cause="RuntimeImage", outcome="succeeded") == 2
    assert value(metrics, "thaw_recycles_total", cause="RuntimeImage", outcome="failed") == 1


def test_snapshots_by_phase_and_their_bytes() -> None:
    metrics = Metrics()
    metrics.saw_snapshot("a", SnapshotStatus(phase="Ready", size_bytes=79, stored_bytes=31))
    metrics.saw_snapshot("b", SnapshotStatus(phase="Creating"))
    metrics.saw_snapshot("b", SnapshotStatus(phase="Ready", size_bytes=21, stored_bytes=1))
    assert value(metrics, "thaw_snapshots", phase="Ready") == 2
    assert value(metrics, "thaw_snapshots", phase="Creating") == 0
    assert value(metrics, "thaw_snapshot_bytes", kind="raw") == 100
    assert value(metrics, "thaw_snapshot_bytes", kind="stored") == 32
    metrics.saw_snapshot("a", None)
    assert value(metrics, "thaw_snapshot_bytes", kind="raw") == 21
