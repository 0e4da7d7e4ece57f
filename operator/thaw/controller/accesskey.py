"""The access key made at the first start, so that ``aws`` works without anybody having made one."""

from __future__ import annotations

import secrets
import string

import structlog

from thaw import names
from thaw.errors import Conflict
from thaw.kube.client import Kube
from thaw.kube.kinds import SECRET

log = structlog.get_logger(__name__)


async def ensure(kube: Kube, system_namespace: str, functions_namespace: str) -> None:
    """Makes the Secret unless it is there already."""
    key_id = "AKIA" + "".join(secrets.choice(string.ascii_uppercase + "234567") for _ in range(16))
    name = names.DEFAULT_ACCESS_KEY
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": system_namespace, "labels": {names.LABEL_ACCESS_KEY: "true"}},
        "type": "Opaque",
        "stringData": {
            "accessKeyId": key_id,
            "secretAccessKey": secrets.token_urlsafe(30),
            "namespace": functions_namespace,
        },
    }
    try:
        await kube.create(SECRET, body)
        log.info("access key made", secret=name, access_key_id=key_id, namespace=functions_namespace)
    except Conflict:
        return
