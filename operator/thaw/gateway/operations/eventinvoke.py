"""Configuration of asynchronous invocation."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from thaw.gateway.auth.access import CALLER, Access
from thaw.gateway.eventinvoke import EventInvokeConfigs
from thaw.gateway.operations.call import ApiCall, Handlers


@dataclass(frozen=True)
class EventInvokeOperations:
    """The group."""

    configs: EventInvokeConfigs
    access: Access

    def handlers(self) -> Handlers:
        """By operation."""
        return {
            "PutFunctionEventInvokeConfig": self.put,
            "UpdateFunctionEventInvokeConfig": self.update,
            "GetFunctionEventInvokeConfig": self.get,
            "DeleteFunctionEventInvokeConfig": self.delete,
            "ListFunctionEventInvokeConfigs": self.list_configs,
        }

    async def put(self, call: ApiCall) -> web.StreamResponse:
        """PutFunctionEventInvokeConfig."""
        await self._may_tell(call)
        return call.answer(await self.configs.put(call.namespace, call.named, call.body))

    async def update(self, call: ApiCall) -> web.StreamResponse:
        """UpdateFunctionEventInvokeConfig."""
        await self._may_tell(call)
        return call.answer(await self.configs.update(call.namespace, call.named, call.body))

    async def get(self, call: ApiCall) -> web.StreamResponse:
        """GetFunctionEventInvokeConfig."""
        return call.answer(await self.configs.get(call.namespace, call.named))

    async def delete(self, call: ApiCall) -> web.StreamResponse:
        """DeleteFunctionEventInvokeConfig."""
        await self.configs.delete(call.namespace, call.named)
        return call.answer()

    async def list_configs(self, call: ApiCall) -> web.StreamResponse:
        """ListFunctionEventInvokeConfigs."""
        return call.page("FunctionEventInvokeConfigs", await self.configs.list_all(call.namespace, call.named))

    async def _may_tell(self, call: ApiCall) -> None:
        """Whoever makes a function a destination has it invoked: so they must be allowed to invoke it.

        :raises InvokeError: 403 AccessDeniedException.
        """
        for function in self.configs.destined(call.body):
            caller = call.request[CALLER]
            await self.access.authorize(caller, "lambda:InvokeFunction", "invoke", call.namespace, function)
