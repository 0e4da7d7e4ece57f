"""PURE: an event as an EventInvocation object, and back.

A payload is kept in base64, for any JSON text then costs four thirds of its bytes and no more: as a JSON string, one of
nothing but ``<`` would be stored as six times as much. 1 MiB so fits etcd's 1.5 MiB for a request.
"""

from __future__ import annotations

import base64
import binascii
import gzip
import zlib
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from thaw import names
from thaw.api.v1alpha1 import EventInvocation, EventInvocationSpec, EventInvocationStatus, Meta
from thaw.build.common import owner_reference
from thaw.kube.client import Object

MAX_PAYLOAD = 1 << 20
"""Bytes of an event (AWS: 1 MB for asynchronous invocations)."""
_GZIP = 31
"""zlib's name for gzip's format at its largest window."""


@dataclass(frozen=True)
class Event:
    """An event that is to be kept."""

    namespace: str
    function: str
    function_uid: str
    qualifier: str
    """As it was invoked."""
    request_id: str
    payload: bytes
    accepted_at: datetime
    trace_id: str = ""
    hops: int = 0
    url: str = ""
    """Set for a record on its way to this destination."""


def manifest(event: Event, gateway: str) -> Object:
    """The object that keeps it, which goes with its function.

    :param gateway: who has it, from the first moment.
    """
    text, compression = _pack(event.payload)
    made = EventInvocation(
        metadata=Meta(name=event.request_id, namespace=event.namespace),
        spec=EventInvocationSpec(
            function_name=event.function,
            qualifier=event.qualifier,
            request_id=event.request_id,
            accepted_at=event.accepted_at,
            payload=text,
            compression=compression,
            trace_id=event.trace_id,
            hops=event.hops,
            url=event.url,
        ),
        status=EventInvocationStatus(state="Delivering" if event.url else "Accepted"),
    ).to_json()
    labels = {
        names.LABEL_MANAGED_BY: names.MANAGED_BY,
        names.LABEL_FUNCTION: event.function,
        names.LABEL_GATEWAY: gateway,
    }
    metadata = {
        "name": event.request_id,
        "namespace": event.namespace,
        "labels": labels,
        "annotations": {names.ANNOTATION_PAYLOAD_BYTES: str(len(text))},
        "ownerReferences": [owner_reference("Function", event.function, event.function_uid)],
    }
    parts = {"spec": made["spec"], "status": made["status"]}
    return {"apiVersion": names.API_VERSION, "kind": "EventInvocation", "metadata": metadata, **parts}


@dataclass(frozen=True)
class Kept:
    """An event as the cluster keeps it."""

    meta: Meta
    spec: EventInvocationSpec
    status: EventInvocationStatus
    payload: bytes
    function_uid: str
    """Empty of one that somebody made by hand, for any function of that name."""

    @property
    def invocations(self) -> int:
        """How often the function was run for it: of a record it was not."""
        return 0 if self.spec.url else self.status.attempts


def read(raw: Object) -> Kept:
    """Reads the object.

    :raises ValueError: it cannot be read; never one that a gateway made.
    """
    item = EventInvocation.model_validate(raw)
    owners = [o for o in raw["metadata"].get("ownerReferences", []) if o["kind"] == "Function"]
    uid = str(owners[0]["uid"]) if owners else ""
    return Kept(item.metadata, item.spec, item.status, _unpack(item.spec), uid)


def _unpack(spec: EventInvocationSpec) -> bytes:
    try:
        data = base64.b64decode(spec.payload, validate=True)
        return _unzip(data) if spec.compression == "gzip" else data
    except (binascii.Error, zlib.error) as e:
        raise ValueError(f"spec.payload cannot be read: {e}") from e


def _pack(data: bytes) -> tuple[str, Literal["none", "gzip"]]:
    small = gzip.compress(data, mtime=0)
    if len(small) < len(data):
        return base64.b64encode(small).decode(), "gzip"
    return base64.b64encode(data).decode(), "none"


def _unzip(data: bytes) -> bytes:
    """Never more than an event may have: others may have made the object."""
    engine = zlib.decompressobj(wbits=_GZIP)
    out = engine.decompress(data, MAX_PAYLOAD + 1)
    if len(out) > MAX_PAYLOAD or not engine.eof:
        raise ValueError("spec.payload is cut off, or larger than 1 MiB")
    return out
