"""Aliases."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from thaw.gateway.aliases import Aliases
from thaw.gateway.operations.call import ApiCall, Handlers


@dataclass(frozen=True)
class AliasOperations:
    """The group."""

    aliases: Aliases

    def handlers(self) -> Handlers:
        """By operation."""
        return {
            "CreateAlias": self.create,
            "GetAlias": self.get,
            "UpdateAlias": self.update,
            "DeleteAlias": self.delete,
            "ListAliases": self.list_aliases,
        }

    async def create(self, call: ApiCall) -> web.StreamResponse:
        """CreateAlias."""
        return call.answer(await self.aliases.create(call.namespace, call.named.function, call.body))

    async def get(self, call: ApiCall) -> web.StreamResponse:
        """GetAlias."""
        return call.answer(await self.aliases.get(call.namespace, call.named.function, call.parameters["Name"]))

    async def update(self, call: ApiCall) -> web.StreamResponse:
        """UpdateAlias."""
        name = call.parameters["Name"]
        return call.answer(await self.aliases.update(call.namespace, call.named.function, name, call.body))

    async def delete(self, call: ApiCall) -> web.StreamResponse:
        """DeleteAlias."""
        await self.aliases.delete(call.namespace, call.named.function, call.parameters["Name"])
        return call.answer()

    async def list_aliases(self, call: ApiCall) -> web.StreamResponse:
        """ListAliases."""
        version = str(call.parameters.get("FunctionVersion") or "")
        return call.page("Aliases", await self.aliases.list_all(call.namespace, call.named.function, version))
