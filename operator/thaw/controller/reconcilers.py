"""What is particular to each kind, in one place: how it is seen, decided, named and woken."""

from __future__ import annotations

from collections.abc import Iterable

from thaw.controller.context import Context
from thaw.controller.loop import Reconciler
from thaw.controller.wakes import KINDS_OF_NODES, NODES, Topic, of_function, own
from thaw.decide import alias, function, keeping, snapshot, version
from thaw.decide.observed import ObservedAlias, ObservedFunction, ObservedSnapshot, ObservedVersion
from thaw.kube.apply import Subject
from thaw.kube.kinds import FUNCTION, FUNCTION_ALIAS, FUNCTION_VERSION, SNAPSHOT


def functions(context: Context) -> Reconciler[ObservedFunction]:
    """Function."""

    def topics(seen: ObservedFunction) -> Iterable[Topic]:
        meta = seen.function.metadata
        yield own("Function", meta.namespace, meta.name)
        yield of_function("FunctionVersion", meta.namespace, meta.name)
        yield of_function("FunctionAlias", meta.namespace, meta.name)
        if meta.deletion_timestamp is not None or len(seen.packages) > 1:
            yield NODES

    return Reconciler(
        kind=FUNCTION,
        observe=context.observer.function,
        decide=function.decide,
        object_of=lambda seen: seen.function,
        subject_of=lambda seen: Subject(
            FUNCTION,
            seen.function.metadata.namespace,
            seen.function.metadata.name,
            seen.function.metadata.uid,
            seen.function.metadata.name,
        ),
        topics_of=topics,
    )


def versions(context: Context, namespace: str, function_name: str) -> Reconciler[ObservedVersion]:
    """FunctionVersion. Numbers are given to one version of a function at a time."""

    def topics(seen: ObservedVersion) -> Iterable[Topic]:
        meta, status = seen.version.metadata, seen.version.status
        yield own("FunctionVersion", meta.namespace, meta.name)
        yield own("Function", meta.namespace, function_name)
        if not status.version or status.duplicate_of:
            yield of_function("FunctionVersion", meta.namespace, function_name)
        quiet = keeping.is_settled(status) and meta.deletion_timestamp is None
        yield KINDS_OF_NODES if quiet else NODES

    def alone(seen: ObservedVersion | None) -> Topic | None:
        if seen is not None and seen.version.status.version:
            return None
        return of_function("numbers", namespace, function_name)

    return Reconciler(
        kind=FUNCTION_VERSION,
        observe=context.observer.version,
        decide=version.decide,
        object_of=lambda seen: seen.version,
        subject_of=lambda seen: Subject(
            FUNCTION_VERSION,
            seen.version.metadata.namespace,
            seen.version.metadata.name,
            seen.version.metadata.uid,
            function_name,
            seen.version.status.version,
        ),
        topics_of=topics,
        alone=alone,
    )


def aliases(context: Context) -> Reconciler[ObservedAlias]:
    """FunctionAlias."""

    def topics(seen: ObservedAlias) -> Iterable[Topic]:
        meta, name = seen.alias.metadata, seen.alias.spec.function_name
        yield own("FunctionAlias", meta.namespace, meta.name)
        yield own("Function", meta.namespace, name)
        yield of_function("FunctionVersion", meta.namespace, name)

    return Reconciler(
        kind=FUNCTION_ALIAS,
        observe=context.observer.alias,
        decide=alias.decide,
        object_of=lambda seen: seen.alias,
        subject_of=lambda seen: Subject(
            FUNCTION_ALIAS,
            seen.alias.metadata.namespace,
            seen.alias.metadata.name,
            seen.alias.metadata.uid,
            seen.alias.spec.function_name,
        ),
        topics_of=topics,
    )


def snapshots(context: Context) -> Reconciler[ObservedSnapshot]:
    """Snapshot."""

    def topics(seen: ObservedSnapshot) -> Iterable[Topic]:
        meta = seen.snapshot.metadata
        yield own("Snapshot", meta.namespace, meta.name)
        if meta.deletion_timestamp is not None:
            yield own("FunctionVersion", meta.namespace, seen.snapshot.spec.version_name)
            yield NODES

    return Reconciler(
        kind=SNAPSHOT,
        observe=context.observer.snapshot,
        decide=snapshot.decide,
        object_of=lambda seen: seen.snapshot,
        subject_of=lambda seen: Subject(
            SNAPSHOT,
            seen.snapshot.metadata.namespace,
            seen.snapshot.metadata.name,
            seen.snapshot.metadata.uid,
            seen.snapshot.spec.function_name,
            seen.snapshot.spec.version,
        ),
        topics_of=topics,
    )
