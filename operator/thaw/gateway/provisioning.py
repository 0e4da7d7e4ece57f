"""The Lambda API's operations on provisioned concurrency, over ``spec.scaling.provisionedConcurrency``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thaw import names
from thaw.api.v1alpha1 import Function
from thaw.gateway import answers, concurrency, provisioned, shapes
from thaw.gateway.arns import Arns
from thaw.gateway.functions import Functions
from thaw.gateway.pools import Pools
from thaw.gateway.watch import Watch
from thaw.kube.client import Object

Json = dict[str, Any]


@dataclass(frozen=True)
class Provisioning:
    """Operations, each in one namespace."""

    functions: Functions
    watch: Watch
    pools: Pools
    arns: Arns
    limit: int
    """Invocations of a namespace that may run at a time."""

    async def put(self, namespace: str, name: str, qualifier: str, count: int) -> Json:
        """PutProvisionedConcurrencyConfig."""
        await self.functions.read(namespace, name)
        version = await self._version(namespace, name, qualifier)

        def patch(raw: Object) -> Json:
            self._check(Function.model_validate(raw), qualifier, version, count)
            return {"scaling": {"provisionedConcurrency": {qualifier: count}}}

        return self._shape(await self.functions.change(namespace, name, patch), qualifier)

    async def get(self, namespace: str, name: str, qualifier: str) -> Json:
        """GetProvisionedConcurrencyConfig."""
        raw = await self.functions.read(namespace, name)
        if qualifier not in _entries(raw):
            raise answers.not_provisioned()
        return self._shape(raw, qualifier)

    async def delete(self, namespace: str, name: str, qualifier: str) -> None:
        """DeleteProvisionedConcurrencyConfig; one that is not there is fine."""
        await self.functions.change(
            namespace, name, lambda _raw: {"scaling": {"provisionedConcurrency": {qualifier: None}}}
        )

    async def list_all(self, namespace: str, name: str) -> list[Json]:
        """ListProvisionedConcurrencyConfigs, without paging."""
        raw = await self.functions.read(namespace, name)
        return [
            {"FunctionArn": self.arns.function(name, qualifier), **self._shape(raw, qualifier)}
            for qualifier in _entries(raw)
        ]

    async def _version(self, namespace: str, name: str, qualifier: str) -> str:
        """The version that a qualifier is about, when it can be provisioned.

        :raises InvokeError: there is none, it is ``$LATEST``, or it is in a state that does not serve.
        """
        number = qualifier
        if not qualifier.isdigit() and qualifier != names.LATEST:
            alias = self.watch.alias(namespace, name, qualifier)
            if alias is None:
                raise answers.alias_not_found(self.arns.function(name, qualifier))
            if alias.spec.additional_version_weights:
                raise answers.invalid("Alias with weights can not be used with Provisioned Concurrency")
            number = alias.spec.function_version
        if number == names.LATEST:
            raise answers.invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
        version = await self.functions.published(namespace, name, number)
        if version.status.state in (None, "Pending", "Failed"):
            raise answers.in_state(version.status.state or "Pending", version.status.state_reason)
        return number

    def _check(self, function: Function, qualifier: str, version: str, count: int) -> None:
        """Lambda's limits ("Configuring provisioned concurrency"), and the function's own ``maxInstances``."""
        scaling = function.spec.scaling
        for other in scaling.provisioned_concurrency:
            if other != qualifier and version in provisioned.of_qualifier(self.watch, function, other):
                raise answers.conflict(f"Version {version} has provisioned concurrency already, by {other}.")
        others = {key: n for key, n in scaling.provisioned_concurrency.items() if key != qualifier}
        total = count + provisioned.total(self.watch, function, others)
        if scaling.reserved_concurrency is not None and total > scaling.reserved_concurrency:
            raise answers.invalid(
                "Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for "
                f"function, which is {scaling.reserved_concurrency}"
            )
        free = concurrency.unreserved(self.limit, self.watch.reserved(function.metadata.namespace).values())
        if scaling.reserved_concurrency is None and total > free:
            raise answers.invalid(
                f"Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{free}]"
            )
        if count > scaling.max_instances:
            raise answers.invalid(
                "Requested Provisioned Concurrency should not be greater than the function's scaling.maxInstances, "
                f"which is {scaling.max_instances}"
            )

    def _shape(self, raw: Object, qualifier: str) -> Json:
        """How far an entry is: by the instances that all gateways have, and by this one's failures."""
        function = Function.model_validate(raw)
        namespace, name = function.metadata.namespace, function.metadata.name
        parts = provisioned.of_qualifier(self.watch, function, qualifier)
        counted = {v: self.watch.started(namespace, name, v) for v in parts}
        wanted = function.spec.scaling.provisioned_concurrency[qualifier]
        written = shapes.modified(raw, "scaling", "provisionedConcurrency", qualifier)
        allocated = min(wanted, sum(min(part, counted[v][0]) for v, part in parts.items()))
        available = min(wanted, sum(min(part, counted[v][1]) for v, part in parts.items()))
        shape: Json = {
            "RequestedProvisionedConcurrentExecutions": wanted,
            "AllocatedProvisionedConcurrentExecutions": allocated,
            "AvailableProvisionedConcurrentExecutions": available,
            "Status": "READY" if available == wanted else "IN_PROGRESS",
            "LastModified": shapes.time_text(written or function.metadata.creation_timestamp),
        }
        why = "" if available == wanted else self._trouble(function, qualifier, parts)
        return shape | ({"Status": "FAILED", "StatusReason": why} if why else {})

    def _trouble(self, function: Function, qualifier: str, parts: dict[str, int]) -> str:
        namespace, name = function.metadata.namespace, function.metadata.name
        if not parts:
            return f"{qualifier} is no alias of a published version, and no version, of {name}"
        for number in parts:
            version = self.watch.version(namespace, name, number)
            if version is not None and version.status.state == "Failed":
                return f"Version {number} is Failed: {version.status.state_reason}"
            if trouble := self.pools.trouble(namespace, name, number):
                return f"An instance of version {number} could not be started: {trouble}"
        return ""


def _entries(raw: Object) -> Json:
    found: Json = raw["spec"].get("scaling", {}).get("provisionedConcurrency", {})
    return found
