"""Publishing: a FunctionVersion is made under a name that is free; the operator numbers and freezes it."""

from __future__ import annotations

from collections.abc import Iterable

import structlog

from thaw import names
from thaw.api.v1alpha1 import FunctionVersion
from thaw.errors import ClusterError, Conflict, NotFound
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import CONFIG_MAP, FUNCTION_VERSION

_NAMES_TRIED = 20
log = structlog.get_logger(__name__)


async def create(
    kube: Kube, function: Object, given: Iterable[int], *, description: str = "", code_sha256: str = ""
) -> Object:
    """Makes a FunctionVersion of a Function.

    :param given: version numbers of the function that the caller knows to be given.
    :raises Conflict: all names that it could have are taken: others publish at the same time.
    """
    namespace, name = function["metadata"]["namespace"], function["metadata"]["name"]
    spec = {"functionName": name}
    if description:
        spec["description"] = description
    if code_sha256:
        spec["codeSha256"] = code_sha256
    first = await _next_number(kube, function, given)
    for number in range(first, first + _NAMES_TRIED):
        manifest = {
            "apiVersion": names.API_VERSION,
            "kind": "FunctionVersion",
            "metadata": {"name": names.version_object(name, number), "namespace": namespace},
            "spec": spec,
        }
        try:
            return await kube.create(FUNCTION_VERSION, manifest)
        except Conflict:
            log.info("version object exists", function=name, number=number)
    raise Conflict("FunctionVersion", namespace, name, "its versions are being published by others just now: try again")


def is_decided(version: FunctionVersion) -> bool:
    """Whether the operator has said what becomes of it: a number, an earlier version that it equals, or a failure."""
    status = version.status
    return bool(status.version or status.duplicate_of or status.state == "Failed")


async def _next_number(kube: Kube, function: Object, given: Iterable[int]) -> int:
    """The number to expect. Only a guess for the object's name: the operator gives the number."""
    namespace, name = function["metadata"]["namespace"], function["metadata"]["name"]
    known = [*given, int(function.get("status", {}).get("lastVersion") or 0)]
    try:
        numbers = await kube.get(CONFIG_MAP, namespace, names.VERSION_NUMBERS)
        known.append(int((numbers.get("data") or {}).get(name) or 0))
    except NotFound:
        pass
    except (ClusterError, ValueError) as e:
        log.warning("version numbers not read", namespace=namespace, error=str(e))
    return max(known) + 1
