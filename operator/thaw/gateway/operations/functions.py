"""Functions and versions."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from thaw.gateway import answers
from thaw.gateway.functions import Functions
from thaw.gateway.operations.call import ApiCall, Handlers


@dataclass(frozen=True)
class FunctionOperations:
    """The group."""

    functions: Functions

    def handlers(self) -> Handlers:
        """By operation."""
        return {
            "CreateFunction": self.create,
            "GetFunction": self.get,
            "GetFunctionConfiguration": self.get_configuration,
            "UpdateFunctionConfiguration": self.update_configuration,
            "UpdateFunctionCode": self.update_code,
            "PublishVersion": self.publish,
            "DeleteFunction": self.delete,
            "ListFunctions": self.list_functions,
            "ListVersionsByFunction": self.list_versions,
        }

    async def create(self, call: ApiCall) -> web.StreamResponse:
        """CreateFunction."""
        named = call.named
        if named.qualifier:
            raise answers.invalid("FunctionName must not have a qualifier")
        body = {**call.body, "FunctionName": named.function}
        return call.answer(await self.functions.create(call.namespace, body))

    async def get(self, call: ApiCall) -> web.StreamResponse:
        """GetFunction."""
        named = call.named
        return call.answer(await self.functions.get(call.namespace, named.function, named.qualifier))

    async def get_configuration(self, call: ApiCall) -> web.StreamResponse:
        """GetFunctionConfiguration."""
        named = call.named
        return call.answer(await self.functions.configuration(call.namespace, named.function, named.qualifier))

    async def update_configuration(self, call: ApiCall) -> web.StreamResponse:
        """UpdateFunctionConfiguration."""
        return call.answer(await self.functions.update_configuration(call.namespace, call.named.function, call.body))

    async def update_code(self, call: ApiCall) -> web.StreamResponse:
        """UpdateFunctionCode."""
        return call.answer(await self.functions.update_code(call.namespace, call.named.function, call.body))

    async def publish(self, call: ApiCall) -> web.StreamResponse:
        """PublishVersion."""
        return call.answer(await self.functions.publish(call.namespace, call.named.function, call.body))

    async def delete(self, call: ApiCall) -> web.StreamResponse:
        """DeleteFunction: the model says 200 for functions of durable executions; all others are 204."""
        named = call.named
        await self.functions.delete(call.namespace, named.function, named.qualifier)
        return web.Response(status=204)

    async def list_functions(self, call: ApiCall) -> web.StreamResponse:
        """ListFunctions."""
        all_versions = "FunctionVersion" in call.parameters
        found = self.functions.list_all(call.namespace, all_versions=all_versions)
        if all_versions:
            names = [str(shape["FunctionName"]) for shape in found]
            found = [v for name in names for v in await self.functions.versions(call.namespace, name)]
        return call.page("Functions", found)

    async def list_versions(self, call: ApiCall) -> web.StreamResponse:
        """ListVersionsByFunction."""
        return call.page("Versions", await self.functions.versions(call.namespace, call.named.function))
