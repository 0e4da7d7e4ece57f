"""PublishVersion: a FunctionVersion is made, the operator numbers and freezes it."""

from __future__ import annotations

import structlog

from thaw import names
from thaw.api.v1alpha1 import FunctionVersion
from thaw.errors import ClusterError, Conflict, InvokeError, NotFound
from thaw.gateway import answers
from thaw.gateway.watch import Watch
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import CONFIG_MAP, FUNCTION_VERSION

_NAMES_TRIED = 20
log = structlog.get_logger(__name__)


class Publisher:
    """Publishes versions.

    :param timeout: seconds the operator has to give a number.
    """

    def __init__(self, kube: Kube, watch: Watch, timeout: float) -> None:
        self._kube, self._watch, self._timeout = kube, watch, timeout

    async def publish(self, function: Object, description: str, code_sha256: str) -> FunctionVersion:
        """Publishes a Function as it is; the version it already is, when nothing changed since.

        :raises InvokeError: the operator refused, or gave no number in time.
        """
        made = await self._create(function, description, code_sha256)
        namespace, name = made["metadata"]["namespace"], made["metadata"]["name"]
        uid = made["metadata"]["uid"]

        def decided() -> FunctionVersion | None:
            seen = self._watch.versions.get(namespace, name)
            version = FunctionVersion.model_validate(seen) if seen and seen["metadata"]["uid"] == uid else None
            return version if version and _is_decided(version) else None

        version = await self._watch.until(decided, self._timeout)
        if version is None:
            await self._kube.delete(FUNCTION_VERSION, namespace, name, uid=uid)
            text = f"The operator gave no version number within {self._timeout:g} s; is thaw-operator running?"
            raise InvokeError(500, "ServiceException", text)
        if version.status.duplicate_of:
            return await self._original(version)
        if not version.status.version:
            await self._kube.delete(FUNCTION_VERSION, namespace, name, uid=uid)
            raise answers.invalid(version.status.state_reason or "The version could not be published.")
        return version

    async def _create(self, function: Object, description: str, code_sha256: str) -> Object:
        namespace, name = function["metadata"]["namespace"], function["metadata"]["name"]
        spec = {"functionName": name}
        if description:
            spec["description"] = description
        if code_sha256:
            spec["codeSha256"] = code_sha256
        first = await self._next_number(function)
        for number in range(first, first + _NAMES_TRIED):
            manifest = {
                "apiVersion": names.API_VERSION,
                "kind": "FunctionVersion",
                "metadata": {"name": names.version_object(name, number), "namespace": namespace},
                "spec": spec,
            }
            try:
                return await self._kube.create(FUNCTION_VERSION, manifest)
            except Conflict:
                log.info("version object exists", function=name, number=number)
        raise answers.conflict(f"Versions of {name} are being published by others just now. Please try again.")

    async def _next_number(self, function: Object) -> int:
        """The number to expect. Only a guess for the object's name: the operator gives the number."""
        namespace, name = function["metadata"]["namespace"], function["metadata"]["name"]
        given = [int(v.status.version) for v in self._watch.versions_of(namespace, name)]
        given.append(int(function.get("status", {}).get("lastVersion") or 0))
        try:
            numbers = await self._kube.get(CONFIG_MAP, namespace, names.VERSION_NUMBERS)
            given.append(int((numbers.get("data") or {}).get(name) or 0))
        except NotFound:
            pass
        except (ClusterError, ValueError) as e:
            log.warning("version numbers not read", namespace=namespace, error=str(e))
        return max(given) + 1

    async def _original(self, duplicate: FunctionVersion) -> FunctionVersion:
        """The version that a duplicate equals; the duplicate itself goes."""
        meta = duplicate.metadata
        await self._kube.delete(FUNCTION_VERSION, meta.namespace, meta.name, uid=meta.uid)
        raw = await self._kube.get(FUNCTION_VERSION, meta.namespace, duplicate.status.duplicate_of)
        return FunctionVersion.model_validate(raw)


def _is_decided(version: FunctionVersion) -> bool:
    status = version.status
    return bool(status.version or status.duplicate_of or status.state == "Failed")
