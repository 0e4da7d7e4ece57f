"""The Lambda API's operations on reserved concurrency and on the account, which is a namespace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thaw.api.packages import MAX_UNZIPPED, MAX_ZIPPED
from thaw.api.v1alpha1 import Function
from thaw.gateway import answers, concurrency, provisioned, shapes
from thaw.gateway.functions import Functions
from thaw.gateway.targets import Targets
from thaw.gateway.watch import Watch
from thaw.kube.client import Object

Json = dict[str, Any]
_NO_LIMIT = 2**53 - 1
"""The largest number that every JSON reader takes exactly: Thaw has no limit on the size of all code."""


@dataclass(frozen=True)
class Reserved:
    """Operations, each in one namespace."""

    functions: Functions
    targets: Targets
    watch: Watch
    limit: int
    """Invocations of a namespace that may run at a time."""

    async def put(self, namespace: str, name: str, count: int) -> Json:
        """PutFunctionConcurrency."""

        def patch(raw: Object) -> Json:
            self._check(Function.model_validate(raw), count)
            return {"scaling": {"reservedConcurrency": count}}

        await self.functions.change(namespace, name, patch)
        return {"ReservedConcurrentExecutions": count}

    async def get(self, namespace: str, name: str) -> Json:
        """GetFunctionConcurrency; empty without one."""
        raw = await self.functions.read(namespace, name)
        count = raw["spec"].get("scaling", {}).get("reservedConcurrency")
        return {} if count is None else {"ReservedConcurrentExecutions": count}

    async def delete(self, namespace: str, name: str) -> None:
        """DeleteFunctionConcurrency; none to delete is fine."""
        await self.functions.change(namespace, name, lambda _raw: {"scaling": {"reservedConcurrency": None}})

    async def account(self, namespace: str) -> Json:
        """GetAccountSettings."""
        functions = [f for f in self.watch.all_functions() if f.metadata.namespace == namespace]
        free = concurrency.unreserved(self.limit, self.watch.reserved(namespace).values())
        return {
            "AccountLimit": {
                "TotalCodeSize": _NO_LIMIT,
                "CodeSizeUnzipped": MAX_UNZIPPED,
                "CodeSizeZipped": MAX_ZIPPED,
                "ConcurrentExecutions": self.limit,
                "UnreservedConcurrentExecutions": free,
            },
            "AccountUsage": {
                "TotalCodeSize": sum([await self._code_size(f) for f in functions]),
                "FunctionCount": len(functions),
            },
        }

    async def _code_size(self, function: Function) -> int:
        """Of ``$LATEST`` and all versions, as Lambda counts it."""
        versions = self.watch.versions_of(function.metadata.namespace, function.metadata.name)
        frozen = [(await self.targets.template(version))[0].spec.code for version in versions]
        return sum(map(shapes.code_size, [function.spec.code, *frozen]))

    def _check(self, function: Function, count: int) -> None:
        """Lambda's limits ("Configuring reserved concurrency")."""
        least = concurrency.unreserved_least(self.limit)
        others = self.watch.reserved(function.metadata.namespace).items()
        if self.limit - count - sum(n for name, n in others if name != function.metadata.name) < least:
            raise answers.invalid(
                "Specified ReservedConcurrentExecutions for function decreases account's UnreservedConcurrentExecution "
                f"below its minimum value of [{least}]."
            )
        kept = provisioned.total(self.watch, function, function.spec.scaling.provisioned_concurrency)
        if count < kept:
            raise answers.invalid(
                "ReservedConcurrentExecutions for function should not be lower than function's total provisioned "
                f"concurrency [{kept}]."
            )
