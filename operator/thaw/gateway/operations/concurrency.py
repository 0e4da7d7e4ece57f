"""Reserved and provisioned concurrency, and the account's limits."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from thaw.gateway.operations.call import ApiCall, Handlers
from thaw.gateway.provisioning import Provisioning
from thaw.gateway.reserved import Reserved


@dataclass(frozen=True)
class ConcurrencyOperations:
    """The group."""

    reserved: Reserved
    provisioning: Provisioning

    def handlers(self) -> Handlers:
        """By operation."""
        return {
            "PutFunctionConcurrency": self.put,
            "GetFunctionConcurrency": self.get,
            "DeleteFunctionConcurrency": self.delete,
            "PutProvisionedConcurrencyConfig": self.put_provisioned,
            "GetProvisionedConcurrencyConfig": self.get_provisioned,
            "DeleteProvisionedConcurrencyConfig": self.delete_provisioned,
            "ListProvisionedConcurrencyConfigs": self.list_provisioned,
            "GetAccountSettings": self.account,
        }

    async def put(self, call: ApiCall) -> web.StreamResponse:
        """PutFunctionConcurrency: each gateway lets in its part, see hack/design/0005-api.md."""
        count = call.parameters["ReservedConcurrentExecutions"]
        return call.answer(await self.reserved.put(call.namespace, call.named.function, count))

    async def get(self, call: ApiCall) -> web.StreamResponse:
        """GetFunctionConcurrency."""
        return call.answer(await self.reserved.get(call.namespace, call.named.function))

    async def delete(self, call: ApiCall) -> web.StreamResponse:
        """DeleteFunctionConcurrency."""
        await self.reserved.delete(call.namespace, call.named.function)
        return call.answer()

    async def put_provisioned(self, call: ApiCall) -> web.StreamResponse:
        """PutProvisionedConcurrencyConfig: goes together with SnapStart; not more than the function's
        `scaling.maxInstances`. An alias that gets weights later has its instances divided among its versions.
        """
        named, count = call.named, call.parameters["ProvisionedConcurrentExecutions"]
        return call.answer(await self.provisioning.put(call.namespace, named.function, named.qualifier, count))

    async def get_provisioned(self, call: ApiCall) -> web.StreamResponse:
        """GetProvisionedConcurrencyConfig."""
        named = call.named
        return call.answer(await self.provisioning.get(call.namespace, named.function, named.qualifier))

    async def delete_provisioned(self, call: ApiCall) -> web.StreamResponse:
        """DeleteProvisionedConcurrencyConfig."""
        named = call.named
        await self.provisioning.delete(call.namespace, named.function, named.qualifier)
        return call.answer()

    async def list_provisioned(self, call: ApiCall) -> web.StreamResponse:
        """ListProvisionedConcurrencyConfigs."""
        found = await self.provisioning.list_all(call.namespace, call.named.function)
        return call.page("ProvisionedConcurrencyConfigs", found)

    async def account(self, call: ApiCall) -> web.StreamResponse:
        """GetAccountSettings: the account is the caller's namespace. TotalCodeSize has no limit: 2^53-1."""
        return call.answer(await self.reserved.account(call.namespace))
