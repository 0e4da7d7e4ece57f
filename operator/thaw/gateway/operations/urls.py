"""Function URLs."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from thaw.gateway.operations.call import ApiCall, Handlers
from thaw.gateway.urls.configs import UrlConfigs


@dataclass(frozen=True)
class UrlOperations:
    """The group."""

    urls: UrlConfigs

    def handlers(self) -> Handlers:
        """By operation."""
        return {
            "CreateFunctionUrlConfig": self.create,
            "GetFunctionUrlConfig": self.get,
            "UpdateFunctionUrlConfig": self.update,
            "DeleteFunctionUrlConfig": self.delete,
            "ListFunctionUrlConfigs": self.list_urls,
        }

    async def create(self, call: ApiCall) -> web.StreamResponse:
        """CreateFunctionUrlConfig."""
        return call.answer(await self.urls.create(call.namespace, call.named, call.body, call.request))

    async def get(self, call: ApiCall) -> web.StreamResponse:
        """GetFunctionUrlConfig."""
        return call.answer(await self.urls.get(call.namespace, call.named, call.request))

    async def update(self, call: ApiCall) -> web.StreamResponse:
        """UpdateFunctionUrlConfig."""
        return call.answer(await self.urls.update(call.namespace, call.named, call.body, call.request))

    async def delete(self, call: ApiCall) -> web.StreamResponse:
        """DeleteFunctionUrlConfig."""
        await self.urls.delete(call.namespace, call.named)
        return call.answer()

    async def list_urls(self, call: ApiCall) -> web.StreamResponse:
        """ListFunctionUrlConfigs."""
        found = await self.urls.list_all(call.namespace, call.named.function, call.request)
        return call.page("FunctionUrlConfigs", found)
