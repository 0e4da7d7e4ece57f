"""The access key made at the first start, so that ``aws`` works without anybody having made one."""

from __future__ import annotations

import secrets
import string

import structlog

from thaw.errors import Conflict
from thaw.kube.client import Kube
from thaw.kube.kinds import SECRET

SECRET_NAME = "thaw-access-key-default"  # noqa: S105
LABEL = "thaw.dev/access-key"
log = structlog.get_logger(__name__)


async def ensure(kube: Kube, system_namespace: str, functions_namespace: str) -> None:
    """Makes the Secret unless it is there already."""
    key_id = "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET_NAME, "namespace": system_namespace, "labels": {LABEL: "true"}},
        "type": "Opaque",
        "stringData": {
            "accessKeyId": key_id,
            "secretAccessKey": secrets.token_urlsafe(30),
            "namespace": functions_namespace,
        },
    }
    try:
        await kube.create(SECRET, body)
        log.info("access key made", secret=SECRET_NAME, access_key_id=key_id, namespace=functions_namespace)
    except Conflict:
        return
