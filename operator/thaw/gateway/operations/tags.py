"""Tags."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp import web

from thaw.gateway.operations.call import ApiCall, Handlers
from thaw.gateway.tags import Tags


@dataclass(frozen=True)
class TagOperations:
    """The group."""

    tags: Tags

    def handlers(self) -> Handlers:
        """By operation."""
        return {"TagResource": self.add, "UntagResource": self.remove, "ListTags": self.list_tags}

    async def add(self, call: ApiCall) -> web.StreamResponse:
        """TagResource: of functions; event source mappings and other taggable resources of Lambda's are not there."""
        await self.tags.add(call.namespace, call.parameters["Resource"], call.parameters["Tags"])
        return call.answer()

    async def remove(self, call: ApiCall) -> web.StreamResponse:
        """UntagResource."""
        await self.tags.remove(call.namespace, call.parameters["Resource"], call.parameters["TagKeys"])
        return call.answer()

    async def list_tags(self, call: ApiCall) -> web.StreamResponse:
        """ListTags."""
        return call.answer({"Tags": dict(await self.tags.of(call.namespace, call.parameters["Resource"]))})
