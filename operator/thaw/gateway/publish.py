"""PublishVersion: a FunctionVersion is made, the operator numbers and freezes it."""

from __future__ import annotations

from dataclasses import dataclass

from thaw.api.v1alpha1 import FunctionVersion
from thaw.errors import Conflict, InvokeError
from thaw.gateway import answers
from thaw.gateway.watch import Watch
from thaw.kube import publishing
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import FUNCTION_VERSION


@dataclass(frozen=True)
class Published:
    """What a publish came to."""

    version: FunctionVersion
    new: bool
    """False for the version that it already was."""


class Publisher:
    """Publishes versions.

    :param timeout: seconds the operator has to give a number.
    """

    def __init__(self, kube: Kube, watch: Watch, timeout: float) -> None:
        self._kube, self._watch, self._timeout = kube, watch, timeout

    async def publish(self, function: Object, description: str, code_sha256: str) -> Published:
        """Publishes a Function as it is; the version it already is, when nothing changed since.

        :raises InvokeError: the operator refused, or gave no number in time.
        """
        namespace, name = function["metadata"]["namespace"], function["metadata"]["name"]
        given = [int(v.status.version) for v in self._watch.versions_of(namespace, name)]
        try:
            made = await publishing.create(
                self._kube, function, given, description=description, code_sha256=code_sha256
            )
        except Conflict as e:
            text = f"Versions of {name} are being published by others just now. Please try again."
            raise answers.conflict(text) from e
        namespace, name = made["metadata"]["namespace"], made["metadata"]["name"]
        uid = made["metadata"]["uid"]

        def decided() -> FunctionVersion | None:
            seen = self._watch.versions.get(namespace, name)
            version = FunctionVersion.model_validate(seen) if seen and seen["metadata"]["uid"] == uid else None
            return version if version and publishing.is_decided(version) else None

        version = await self._watch.until(decided, self._timeout)
        if version is None:
            await self._kube.delete(FUNCTION_VERSION, namespace, name, uid=uid)
            text = f"The operator gave no version number within {self._timeout:g} s; is thaw-operator running?"
            raise InvokeError(500, "ServiceException", text)
        if version.status.duplicate_of:
            return Published(await self._original(version), new=False)
        if not version.status.version:
            await self._kube.delete(FUNCTION_VERSION, namespace, name, uid=uid)
            raise answers.invalid(version.status.state_reason or "The version could not be published.")
        return Published(version, new=True)

    async def _original(self, duplicate: FunctionVersion) -> FunctionVersion:
        """The version that a duplicate equals; the duplicate itself goes."""
        meta = duplicate.metadata
        await self._kube.delete(FUNCTION_VERSION, meta.namespace, meta.name, uid=meta.uid)
        raw = await self._kube.get(FUNCTION_VERSION, meta.namespace, duplicate.status.duplicate_of)
        return FunctionVersion.model_validate(raw)
