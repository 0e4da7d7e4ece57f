"""The Lambda API's five alias operations, over FunctionAlias objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thaw import names
from thaw.api.v1alpha1 import FunctionAlias
from thaw.build.objects import alias_object
from thaw.errors import Conflict, InvokeError
from thaw.gateway import answers, inputs, shapes
from thaw.gateway.arns import Arns
from thaw.gateway.functions import Functions
from thaw.gateway.watch import Watch
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import FUNCTION_ALIAS

Json = dict[str, Any]


@dataclass(frozen=True)
class Aliases:
    """Operations, each in one namespace."""

    kube: Kube
    watch: Watch
    functions: Functions
    shapes: shapes.Shapes
    arns: Arns

    async def create(self, namespace: str, function: str, body: Json) -> Json:
        """CreateAlias."""
        owner = await self.functions.read(namespace, function)
        spec = {"functionName": function, **inputs.alias(body)}
        if not spec.get("name") or not spec.get("functionVersion"):
            raise answers.invalid("Name and FunctionVersion are required")
        self._versions_exist(namespace, function, spec)
        if self.watch.alias(namespace, function, spec["name"]) is not None:
            raise self._exists(function, spec["name"])
        manifest = {
            "apiVersion": names.API_VERSION,
            "kind": "FunctionAlias",
            "metadata": {
                "name": alias_object(function, spec["name"]),
                "namespace": namespace,
                "ownerReferences": [_owned_by(owner)],
            },
            "spec": spec,
        }
        try:
            made = await self.kube.create(FUNCTION_ALIAS, manifest)
        except Conflict as e:
            raise self._exists(function, spec["name"]) from e
        return await self._answer(made)

    async def get(self, namespace: str, function: str, name: str) -> Json:
        """GetAlias."""
        await self.functions.read(namespace, function)
        return self.shapes.alias(self._find(namespace, function, name))

    async def update(self, namespace: str, function: str, name: str, body: Json) -> Json:
        """UpdateAlias."""
        alias = self._find(namespace, function, name)
        if body.get("RevisionId") and body["RevisionId"] != shapes.revision_id(alias.metadata):
            raise answers.precondition()
        spec = inputs.alias({k: v for k, v in body.items() if k != "Name"})
        self._versions_exist(namespace, function, spec)
        if "additionalVersionWeights" in spec:
            gone = set(alias.spec.additional_version_weights) - set(spec["additionalVersionWeights"])
            spec["additionalVersionWeights"] |= dict.fromkeys(gone)
        written = await self.kube.patch(FUNCTION_ALIAS, namespace, alias.metadata.name, {"spec": spec})
        return await self._answer(written)

    async def delete(self, namespace: str, function: str, name: str) -> None:
        """DeleteAlias; one that is not there is fine, as on Lambda."""
        await self.functions.read(namespace, function)
        alias = self.watch.alias(namespace, function, name)
        if alias is None:
            return
        await self.kube.delete(FUNCTION_ALIAS, namespace, alias.metadata.name, uid=alias.metadata.uid)
        await self.watch.until(lambda: True if self.watch.alias(namespace, function, name) is None else None, 3)

    async def list_all(self, namespace: str, function: str, version: str) -> list[Json]:
        """ListAliases, of one version if it is given, without paging."""
        await self.functions.read(namespace, function)
        found = self.watch.aliases_of(namespace, function)
        return [
            self.shapes.alias(a)
            for a in found
            if not version or a.spec.function_version == version or version in a.spec.additional_version_weights
        ]

    def _find(self, namespace: str, function: str, name: str) -> FunctionAlias:
        alias = self.watch.alias(namespace, function, name)
        if alias is None:
            raise answers.alias_not_found(self.arns.function(function, name))
        return alias

    def _versions_exist(self, namespace: str, function: str, spec: Json) -> None:
        for number in (spec.get("functionVersion"), *spec.get("additionalVersionWeights", {})):
            if number == names.LATEST:
                raise answers.unsupported("aliases of $LATEST", "name a published version.")
            if number is not None and self.watch.version(namespace, function, number) is None:
                raise answers.not_found(self.arns.function(function, number))

    def _exists(self, function: str, name: str) -> InvokeError:
        return answers.conflict(f"Alias already exists: {self.arns.function(function, name)}")

    async def _answer(self, written: Object) -> Json:
        await self.watch.caught_up(self.watch.aliases, written)
        return self.shapes.alias(FunctionAlias.model_validate(written))


def _owned_by(function: Object) -> Object:
    meta = function["metadata"]
    return {"apiVersion": names.API_VERSION, "kind": "Function", "name": meta["name"], "uid": meta["uid"]}
