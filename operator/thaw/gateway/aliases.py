"""The Lambda API's five alias operations, over FunctionAlias objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from thaw import names
from thaw.api.v1alpha1 import FunctionAlias
from thaw.build.objects import alias_object
from thaw.errors import Conflict, InvokeError, NotFound
from thaw.gateway import answers, inputs, shapes, writes
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
        owner = await self.functions.editable(namespace, function)
        spec = {"functionName": function, **inputs.alias(body)}
        self._check(namespace, function, spec)
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
        await self.functions.read(namespace, function)
        spec = inputs.alias({k: v for k, v in body.items() if k != "Name"})

        def patch(raw: Object) -> Json:
            before = FunctionAlias.model_validate(raw).spec
            weights = spec.get("additionalVersionWeights", before.additional_version_weights)
            whole = {"functionVersion": before.function_version, **spec, "additionalVersionWeights": weights}
            self._check(namespace, function, whole)
            if "additionalVersionWeights" not in spec:
                return spec
            gone = dict.fromkeys(set(before.additional_version_weights) - set(weights))
            return {**spec, "additionalVersionWeights": {**weights, **gone}}

        written = await writes.change(
            self.kube,
            FUNCTION_ALIAS,
            lambda: self._read(namespace, function, name),
            patch,
            revision=str(body.get("RevisionId") or ""),
        )
        return await self._answer(written)

    async def delete(self, namespace: str, function: str, name: str) -> None:
        """DeleteAlias; one that is not there is fine, as on Lambda. What the function says of it goes too."""
        await self.functions.read(namespace, function)
        if self.watch.alias(namespace, function, name) is None:
            return
        await writes.delete(self.kube, FUNCTION_ALIAS, await self._read(namespace, function, name))
        await self.watch.until(lambda: True if self.watch.alias(namespace, function, name) is None else None, 3)
        await self.functions.forget(namespace, function, name)

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

    async def _read(self, namespace: str, function: str, name: str) -> Object:
        """The alias's object, from the API server itself."""
        try:
            return await self.kube.get(FUNCTION_ALIAS, namespace, self._find(namespace, function, name).metadata.name)
        except NotFound as e:
            raise answers.alias_not_found(self.arns.function(function, name)) from e

    def _check(self, namespace: str, function: str, spec: Json) -> None:
        weights = spec.get("additionalVersionWeights") or {}
        inputs.check_routing(spec["functionVersion"], weights)
        for number in (spec["functionVersion"], *weights):
            if number != names.LATEST and self.watch.version(namespace, function, number) is None:
                raise answers.not_found(self.arns.function(function, number))

    def _exists(self, function: str, name: str) -> InvokeError:
        return answers.conflict(f"Alias already exists: {self.arns.function(function, name)}")

    async def _answer(self, written: Object) -> Json:
        await self.watch.caught_up(self.watch.aliases, written)
        return self.shapes.alias(FunctionAlias.model_validate(written))


def _owned_by(function: Object) -> Object:
    meta = function["metadata"]
    return {"apiVersion": names.API_VERSION, "kind": "Function", "name": meta["name"], "uid": meta["uid"]}
