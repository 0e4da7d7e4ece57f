"""Events as objects, and back."""

from __future__ import annotations

import base64
import gzip
import json
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from thaw import names
from thaw.gateway.events import envelope
from thaw.gateway.events.envelope import Event

ETCD = 1_572_864
"""Bytes that etcd takes in one request by default, 1.5 MiB."""


def event(payload: bytes = b"{}", **more: Any) -> Event:
    fields = {"qualifier": "live", "request_id": "r-1", "accepted_at": datetime(2026, 1, 1, tzinfo=UTC), **more}
    return Event(namespace="ns", function="fn", function_uid="u", payload=payload, **fields)


def kept(item: dict[str, Any]) -> envelope.Kept:
    """As the API server gives it back."""
    server = {"uid": "e-u", "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
    return envelope.read(json.loads(json.dumps({**item, "metadata": item["metadata"] | server})))


def hard_text() -> bytes:
    """As much as an event may have of what compresses worst and is escaped most."""
    chance = random.Random(1)
    text = "".join(chance.choices('<>&\\"' + "".join(map(chr, range(32, 127))), k=1 << 20))
    return json.dumps(text).encode()[: envelope.MAX_PAYLOAD - 1] + b'"'


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"{}", id="small"),
        pytest.param(b"", id="empty"),
        pytest.param(json.dumps("x" * 99999).encode(), id="compressible"),
        pytest.param(b"<" * envelope.MAX_PAYLOAD, id="escaped"),
        pytest.param(hard_text(), id="text"),
        pytest.param(random.Random(1).randbytes(envelope.MAX_PAYLOAD), id="random"),
    ],
)
def test_every_payload_fits_and_comes_back(payload: bytes) -> None:
    item = envelope.manifest(event(payload), "gw-1")
    stored = json.dumps(item).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    assert len(stored) < ETCD - 64 * 1024, "with what the API server adds"
    assert int(item["metadata"]["annotations"][names.ANNOTATION_PAYLOAD_BYTES]) == len(item["spec"]["payload"])
    assert kept(item).payload == payload


def test_the_smaller_form_is_kept() -> None:
    assert envelope.manifest(event(b"{}"), "gw")["spec"]["compression"] == "none"
    long = envelope.manifest(event(b"[" + b"1," * 500 + b"1]"), "gw")
    assert long["spec"]["compression"] == "gzip"
    assert len(long["spec"]["payload"]) < 200


def test_it_goes_with_its_function_and_its_gateway_is_told_at_once() -> None:
    item = envelope.manifest(event(hops=3, trace_id="t"), "gw-1")
    (owner,) = item["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["uid"]) == ("Function", "fn", "u")
    assert item["metadata"]["labels"][names.LABEL_GATEWAY] == "gw-1"
    assert item["status"] == {"state": "Accepted", "attempts": 0, "lastError": ""}
    back = kept(item)
    assert (back.spec.qualifier, back.spec.hops, back.spec.trace_id, back.function_uid) == ("live", 3, "t", "u")
    assert envelope.manifest(event(url="https://a.example/"), "gw-1")["status"]["state"] == "Delivering"


@pytest.mark.parametrize(
    ("payload", "compression"),
    [
        ("no base64!", "none"),
        (base64.b64encode(b"no gzip").decode(), "gzip"),
        (base64.b64encode(gzip.compress(b"{}" * 99)[:-9]).decode(), "gzip"),
        (base64.b64encode(gzip.compress(b" " * (envelope.MAX_PAYLOAD + 1))).decode(), "gzip"),
    ],
    ids=["base64", "gzip", "cut off", "a bomb"],
)
def test_what_somebody_made_by_hand_may_be_unreadable(payload: str, compression: str) -> None:
    item = envelope.manifest(event(), "gw-1")
    item["spec"] |= {"payload": payload, "compression": compression}
    with pytest.raises(ValueError, match=r"spec\.payload"):
        kept(item)
