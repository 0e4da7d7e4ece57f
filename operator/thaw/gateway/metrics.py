"""The gateway's Prometheus metrics, in a registry of their own so that tests can have many."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

_SECONDS = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2.5, 5, 10, 30, 60)


class Metrics:
    """Everything that is counted."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        by_version = ["namespace", "function", "qualifier"]
        self.requests = Counter(
            "thaw_gateway_requests_total",
            "Invocations answered.",
            [*by_version, "start", "code"],
            registry=self.registry,
        )
        self.duration = Histogram(
            "thaw_gateway_request_duration_seconds",
            "From an invocation's arrival to its answer.",
            ["start"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.starts = Histogram(
            "thaw_gateway_start_duration_seconds",
            "From the decision for a new instance until it serves.",
            ["start"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.pieces = Histogram(
            "thaw_gateway_start_piece_seconds",
            "The pieces of a start: create, scheduled, grant, container, init, hooks.",
            ["start", "piece"],
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.restore = Histogram(
            "thaw_gateway_restore_seconds",
            "The restore of a process, without its after-restore hooks.",
            buckets=_SECONDS,
            registry=self.registry,
        )
        self.start_failures = Counter(
            "thaw_gateway_start_failures_total",
            "Instances that did not start.",
            [*by_version, "reason"],
            registry=self.registry,
        )
        self.fallbacks = Counter(
            "thaw_gateway_cold_fallbacks_total",
            "Cold starts of versions whose snapshot could not be used: Missing, Corrupt, Fingerprint, RestoreFailed, "
            "NoSnapshot, Unknown.",
            [*by_version, "cause"],
            registry=self.registry,
        )
        self.instances = Gauge(
            "thaw_gateway_instances", "Instances this gateway runs.", [*by_version, "state"], registry=self.registry
        )
        self.queue = Gauge(
            "thaw_gateway_queue_length", "Requests that wait for an instance.", by_version, registry=self.registry
        )
        self.api = Counter(
            "thaw_gateway_api_requests_total", "Calls of the Lambda API.", ["operation", "code"], registry=self.registry
        )
        self.events = Counter(
            "thaw_gateway_events_total", "Asynchronous invocations accepted.", by_version, registry=self.registry
        )
        self.events_held = Gauge(
            "thaw_gateway_events_held",
            "Asynchronous invocations of the whole cluster that are not done with.",
            registry=self.registry,
        )
        self.event_age = Histogram(
            "thaw_gateway_event_age_seconds",
            "From an asynchronous invocation's acceptance to each of its tries.",
            buckets=(*_SECONDS, 120, 300, 900, 3600, 21600),
            registry=self.registry,
        )
        self.dropped_events = Counter(
            "thaw_gateway_dropped_events_total",
            "Asynchronous invocations given up: RetriesExhausted, EventAgeExceeded, ZeroReservedConcurrency, Deleted, "
            "Unreadable.",
            [*by_version, "reason"],
            registry=self.registry,
        )
        self.undelivered = Counter(
            "thaw_gateway_destination_failures_total",
            "Records of asynchronous invocations that no destination got: Invalid, Recursion, RecordTooLarge, "
            "NoSuchFunction, NotKept, Unreachable.",
            ["namespace", "function", "reason"],
            registry=self.registry,
        )
        self.orphans = Counter(
            "thaw_gateway_orphans_total", "Pods of gateways that are gone, deleted.", registry=self.registry
        )

    def render(self) -> bytes:
        """The text exposition."""
        return generate_latest(self.registry)

    def forget(self, namespace: str, function: str, qualifier: str) -> None:
        """Removes the gauges of a version that has no instances any more."""
        for state in ("ready", "starting"):
            self.instances.remove(namespace, function, qualifier, state)
        self.queue.remove(namespace, function, qualifier)
