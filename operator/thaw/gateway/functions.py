"""The Lambda API's operations on functions and versions, over the cluster's objects. Handlers are in ``operations``."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog

from thaw import names
from thaw.api.v1alpha1 import Function, FunctionVersion
from thaw.errors import Conflict, InvokeError, NodeError, NotFound
from thaw.gateway import answers, inputs, shapes
from thaw.gateway.arns import Arns
from thaw.gateway.options import GatewaySettings
from thaw.gateway.publish import Publisher
from thaw.gateway.targets import Targets
from thaw.gateway.watch import Watch
from thaw.kube.agents import Agents
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import FUNCTION, FUNCTION_VERSION

Json = dict[str, Any]
_GOING = 30.0
"""Seconds CreateFunction waits for a namesake that is being deleted."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Functions:
    """Operations, each in one namespace."""

    kube: Kube
    watch: Watch
    agents: Agents
    targets: Targets
    publisher: Publisher
    shapes: shapes.Shapes
    arns: Arns
    settings: GatewaySettings

    async def create(self, namespace: str, body: Json) -> Json:
        """CreateFunction."""
        name = str(body.get("FunctionName") or "")
        spec, package = inputs.create(body, machine=self.machine, runtimes=self.settings.runtimes)
        await self._must_not_exist(namespace, name)
        await self._keep(namespace, package)
        manifest = {
            "apiVersion": names.API_VERSION,
            "kind": "Function",
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        }
        try:
            made = await self.kube.create(FUNCTION, manifest)
        except Conflict as e:
            raise answers.conflict(f"Function already exist: {name}") from e
        return await self._answer(made, publish=bool(body.get("Publish")))

    async def get(self, namespace: str, name: str, qualifier: str) -> Json:
        """GetFunction."""
        template, configuration = await self._described(namespace, name, qualifier)
        return {"Configuration": configuration, "Code": shapes.code_location(template), "Tags": {}}

    async def configuration(self, namespace: str, name: str, qualifier: str) -> Json:
        """GetFunctionConfiguration."""
        return (await self._described(namespace, name, qualifier))[1]

    async def update_configuration(self, namespace: str, name: str, body: Json) -> Json:
        """UpdateFunctionConfiguration."""
        raw = await self.read(namespace, name)
        self._check_revision(raw, body)
        patch = inputs.update_configuration(body, raw["spec"], runtimes=self.settings.runtimes)
        return await self._answer(await self._patch(raw, patch))

    async def update_code(self, namespace: str, name: str, body: Json) -> Json:
        """UpdateFunctionCode."""
        raw = await self.read(namespace, name)
        self._check_revision(raw, body)
        patch, package = inputs.update_code(body, raw["spec"], machine=self.machine)
        if body.get("DryRun"):
            code = {k: v for k, v in patch["code"].items() if v is not None}
            return self._latest({**raw, "spec": {**raw["spec"], "code": code}}, qualified=False)
        await self._keep(namespace, package)
        return await self._answer(await self._patch(raw, patch), publish=bool(body.get("Publish")))

    async def publish(self, namespace: str, name: str, body: Json) -> Json:
        """PublishVersion."""
        raw = await self.read(namespace, name)
        self._check_revision(raw, body)
        current = self.targets.latest_template(Function.model_validate(raw)).code_sha256
        if body.get("CodeSha256") and body["CodeSha256"] != current:
            raise answers.invalid(
                f"CodeSHA256 ({body['CodeSha256']}) is different from current CodeSHA256 in $LATEST ({current}). "
                "Please try again with the CodeSHA256 in $LATEST."
            )
        description, sha = str(body.get("Description") or ""), str(body.get("CodeSha256") or "")
        return await self._version_shape(await self.publisher.publish(raw, description, sha))

    async def delete(self, namespace: str, name: str, qualifier: str) -> None:
        """DeleteFunction: the function with all its versions, or one version."""
        if qualifier == names.LATEST:
            raise answers.invalid("$LATEST version cannot be deleted without deleting the function.")
        if qualifier and not qualifier.isdigit():
            raise answers.invalid("Deletion of aliases is not currently supported.")
        raw = await self.read(namespace, name)
        kind, copy = FUNCTION, self.watch.functions
        if qualifier:
            aliases = self._aliases_on(namespace, name, qualifier)
            if aliases:
                text = f"Unable to delete version because the following aliases reference it: [{', '.join(aliases)}]"
                raise answers.conflict(text)
            version = await self._version(namespace, name, qualifier)
            if version.status.state == "Pending":
                raise answers.in_state("Pending", version.status.state_reason)
            raw = await self.kube.get(FUNCTION_VERSION, namespace, version.metadata.name)
            kind, copy = FUNCTION_VERSION, self.watch.versions
        meta = raw["metadata"]
        await self.kube.delete(kind, namespace, meta["name"], uid=meta["uid"])

        def gone() -> bool | None:
            seen = copy.get(namespace, meta["name"])
            return True if seen is None or seen["metadata"].get("deletionTimestamp") else None

        await self.watch.until(gone, 3)

    def list_all(self, namespace: str, *, all_versions: bool) -> list[Json]:
        """ListFunctions, sorted, without paging."""
        found = [f for f in self.watch.functions.list() if f["metadata"]["namespace"] == namespace]
        return sorted(
            (self._latest(f, qualified=all_versions) for f in found if not f["metadata"].get("deletionTimestamp")),
            key=lambda shape: str(shape["FunctionArn"]),
        )

    async def versions(self, namespace: str, name: str) -> list[Json]:
        """ListVersionsByFunction, ``$LATEST`` first, without paging."""
        raw = await self.read(namespace, name)
        published = [await self._version_shape(v) for v in self.watch.versions_of(namespace, name)]
        return [self._latest(raw, qualified=True), *published]

    async def read(self, namespace: str, name: str) -> Object:
        """The Function object, from the API server itself: what was written a moment ago is in it.

        :raises InvokeError: there is none.
        """
        try:
            raw = await self.kube.get(FUNCTION, namespace, name)
        except NotFound as e:
            raise answers.not_found(self.arns.function(name)) from e
        if raw["metadata"].get("deletionTimestamp"):
            raise answers.not_found(self.arns.function(name))
        return raw

    @property
    def machine(self) -> str:
        """The architecture of this cluster, as Lambda spells it."""
        return shapes.architecture(self.shapes.machine)

    async def _described(self, namespace: str, name: str, qualifier: str) -> tuple[Any, Json]:
        raw = await self.read(namespace, name)
        number = self.targets.number(namespace, name, qualifier) if qualifier else names.LATEST
        if number == names.LATEST:
            template = self.targets.latest_template(Function.model_validate(raw))
            return template, self._latest(raw, qualified=bool(qualifier))
        version = await self._version(namespace, name, number)
        template, _ = await self.targets.template(version)
        return template, self.shapes.version(version, template)

    async def _version(self, namespace: str, name: str, number: str) -> FunctionVersion:
        """A version with its state as the API server has it now."""
        known = self.watch.version(namespace, name, number)
        if known is None:
            raise answers.not_found(self.arns.function(name, number))
        try:
            raw = await self.kube.get(FUNCTION_VERSION, namespace, known.metadata.name)
        except NotFound as e:
            raise answers.not_found(self.arns.function(name, number)) from e
        if raw["metadata"].get("deletionTimestamp"):
            raise answers.not_found(self.arns.function(name, number))
        return FunctionVersion.model_validate(raw)

    async def _version_shape(self, version: FunctionVersion) -> Json:
        template, _ = await self.targets.template(version)
        return self.shapes.version(version, template)

    def _latest(self, raw: Object, *, qualified: bool) -> Json:
        function = Function.model_validate(raw)
        template = self.targets.latest_template(function)
        return self.shapes.latest(function, template, shapes.modified(raw), qualified=qualified)

    async def _answer(self, written: Object, *, publish: bool = False) -> Json:
        await self.watch.caught_up(self.watch.functions, written)
        if publish:
            return await self._version_shape(await self.publisher.publish(written, "", ""))
        return self._latest(written, qualified=False)

    async def _patch(self, raw: Object, spec: Json) -> Object:
        meta = raw["metadata"]
        body: Object = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "spec": spec}
        try:
            return await self.kube.patch(FUNCTION, meta["namespace"], meta["name"], body)
        except Conflict:
            fresh = await self.read(meta["namespace"], meta["name"])
            if fresh["metadata"]["generation"] != meta["generation"]:
                raise
            body["metadata"]["resourceVersion"] = fresh["metadata"]["resourceVersion"]
            return await self.kube.patch(FUNCTION, meta["namespace"], meta["name"], body)

    async def _must_not_exist(self, namespace: str, name: str) -> None:
        if not name:
            raise answers.invalid("FunctionName is required")
        seen = self.watch.functions.get(namespace, name)
        if seen is not None and not seen["metadata"].get("deletionTimestamp"):
            raise answers.conflict(f"Function already exist: {name}")
        if seen is not None:
            await self.watch.until(lambda: True if self.watch.functions.get(namespace, name) is None else None, _GOING)

    async def _keep(self, namespace: str, package: inputs.Package) -> None:
        """Puts a package into the code store by way of an agent; when the store is a node's disk, into each."""
        if not package.zip:
            return
        agents = list(self.watch.ready_agents().values())
        if not agents:
            raise InvokeError(503, "ServiceException", "No node's agent is ready to keep the package.")
        every = agents[:1] if self.settings.store_shared else agents
        puts = (self.agents.put_code(url, namespace, package.sha256, package.zip) for url in every)
        refused = [e for e in await asyncio.gather(*puts, return_exceptions=True) if isinstance(e, BaseException)]
        for e in refused:
            log.warning("package not stored by an agent", error=str(e))
            if not isinstance(e, NodeError):
                raise e
        if len(refused) == len(every):
            raise InvokeError(500, "ServiceException", f"The package could not be stored: {refused[0]}")

    def _aliases_on(self, namespace: str, name: str, number: str) -> list[str]:
        return [
            a.spec.name
            for a in self.watch.aliases_of(namespace, name)
            if a.spec.function_version == number or number in a.spec.additional_version_weights
        ]

    @staticmethod
    def _check_revision(raw: Object, body: Json) -> None:
        wanted = body.get("RevisionId")
        if wanted and wanted != shapes.revision_id(Function.model_validate(raw).metadata):
            raise answers.precondition()
