"""The Lambda API's operations on functions and versions, over the cluster's objects. Handlers are in ``operations``."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from thaw import names
from thaw.api.v1alpha1 import FrozenTemplate, Function, FunctionVersion
from thaw.decide import template as templates
from thaw.errors import Conflict, InvokeError, NodeError, NotFound
from thaw.gateway import answers, inputs, shapes, writes
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
_SETTLING = 3.0
"""Seconds a change waits for the operator to have looked at a new function."""
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
        raw, template, configuration = await self._described(namespace, name, qualifier)
        found: Json = {"Configuration": configuration, "Code": shapes.code_location(template)}
        if tags := raw["spec"].get("tags"):
            found["Tags"] = dict(tags)
        reserved = raw["spec"].get("scaling", {}).get("reservedConcurrency")
        if reserved is not None and not qualifier:
            found["Concurrency"] = {"ReservedConcurrentExecutions": reserved}
        return found

    async def configuration(self, namespace: str, name: str, qualifier: str) -> Json:
        """GetFunctionConfiguration."""
        return (await self._described(namespace, name, qualifier))[2]

    async def update_configuration(self, namespace: str, name: str, body: Json) -> Json:
        """UpdateFunctionConfiguration."""

        def patch(raw: Object) -> Json:
            return inputs.update_configuration(body, raw["spec"], runtimes=self.settings.runtimes)

        return await self._answer(await self.change(namespace, name, patch, str(body.get("RevisionId") or "")))

    async def update_code(self, namespace: str, name: str, body: Json) -> Json:
        """UpdateFunctionCode."""
        revision = str(body.get("RevisionId") or "")
        raw = await self.editable(namespace, name)
        writes.check_revision(raw, revision)
        patch, package = inputs.update_code(body, raw["spec"], machine=self.machine)
        if body.get("DryRun"):
            code = {k: v for k, v in patch["code"].items() if v is not None}
            return self._latest({**raw, "spec": {**raw["spec"], "code": code}}, qualified=False)
        writes.check_declared(raw, {"spec": patch})
        await self._keep(namespace, package)
        written = await self.change(namespace, name, lambda now: inputs.replace_code(package, now["spec"]), revision)
        return await self._answer(written, publish=bool(body.get("Publish")))

    async def publish(self, namespace: str, name: str, body: Json) -> Json:
        """PublishVersion."""
        raw = await self.editable(namespace, name)
        inputs.check_publish(body)
        revision = str(body.get("RevisionId") or "")
        writes.check_revision(raw, revision)
        wanted = self.targets.latest_template(Function.model_validate(raw))
        if body.get("CodeSha256") and body["CodeSha256"] != wanted.code_sha256:
            raise answers.invalid(
                f"CodeSHA256 ({body['CodeSha256']}) is different from current CodeSHA256 in $LATEST "
                f"({wanted.code_sha256}). Please try again with the CodeSHA256 in $LATEST."
            )
        description, sha = str(body.get("Description") or ""), str(body.get("CodeSha256") or "")
        published = await self.publisher.publish(raw, description, sha)
        version = published.version
        if revision and not await self._is_of(version, wanted):
            if published.new:  # one that was there before is somebody's
                await self.kube.delete(FUNCTION_VERSION, namespace, version.metadata.name, uid=version.metadata.uid)
            raise answers.precondition()
        return await self._version_shape(version)

    async def delete(self, namespace: str, name: str, qualifier: str) -> None:
        """DeleteFunction: the function with all its versions, or one version."""
        if qualifier == names.LATEST:
            raise answers.invalid("$LATEST version cannot be deleted without deleting the function.")
        if qualifier and not qualifier.isdigit():
            raise answers.invalid("Deletion of aliases is not currently supported.")
        raw = await self.read(namespace, name)
        if qualifier:
            raw, kind, copy = (
                await self._deletable_version(namespace, name, qualifier),
                FUNCTION_VERSION,
                self.watch.versions,
            )
        else:
            kind, copy = FUNCTION, self.watch.functions
        await writes.delete(self.kube, kind, raw)
        meta = raw["metadata"]

        def gone() -> bool | None:
            seen = copy.get(namespace, meta["name"])
            return True if seen is None or seen["metadata"].get("deletionTimestamp") else None

        await self.watch.until(gone, 3)
        if qualifier:
            await self.forget(namespace, name, qualifier)

    async def forget(self, namespace: str, name: str, qualifier: str) -> None:
        """Takes away what the function's spec says of a version or an alias that is gone.

        What somebody else declares stays, is without effect, and is told by the function's condition ``Dangling``.
        """

        def patch(raw: Object) -> Json:
            return inputs.without(raw["spec"], qualifier)

        try:
            if patch(await self.read(namespace, name)):
                await self.change(namespace, name, patch)
        except InvokeError as e:
            log.info("left what is said of a qualifier", namespace=namespace, qualifier=qualifier, error=str(e))

    async def list_all(self, namespace: str, *, all_versions: bool) -> list[Json]:
        """ListFunctions, without paging."""
        found = [f for f in self.watch.functions.list() if f["metadata"]["namespace"] == namespace]
        there = [f for f in found if not f["metadata"].get("deletionTimestamp")]
        if not all_versions:
            return [self._latest(f, qualified=False) for f in there]
        every = [shape for f in there for shape in await self._with_versions(f)]
        return [{**shape, "MasterArn": self.arns.function(shape["FunctionName"])} for shape in every]

    async def versions(self, namespace: str, name: str) -> list[Json]:
        """ListVersionsByFunction, without paging."""
        return await self._with_versions(await self.read(namespace, name))

    async def read(self, namespace: str, name: str, *, changed: bool = False) -> Object:
        """The Function object, from the API server itself: what was written a moment ago is in it.

        :param changed: it is to be changed: one that is being deleted is in the wrong state for that.
        :raises InvokeError: there is none.
        """
        try:
            raw = await self.kube.get(FUNCTION, namespace, name)
        except NotFound as e:
            raise answers.not_found(self.arns.function(name)) from e
        if raw["metadata"].get("deletionTimestamp"):
            raise answers.being_deleted() if changed else answers.not_found(self.arns.function(name))
        return raw

    async def editable(self, namespace: str, name: str) -> Object:
        """The Function object, to be changed.

        A new function is Pending until the operator has looked at it, a moment later; that is waited for.

        :raises InvokeError: there is none; 409: it is being deleted, or is still Pending.
        """
        raw = await self.read(namespace, name, changed=True)
        if raw.get("status", {}).get("state") in (None, "Pending"):

            def settled() -> bool | None:
                seen = self.watch.function(namespace, name)
                return True if seen is not None and seen.status.state not in (None, "Pending") else None

            await self.watch.until(settled, _SETTLING)
            raw = await self.read(namespace, name, changed=True)
            if raw.get("status", {}).get("state") in (None, "Pending"):
                raise answers.in_state("Pending", raw.get("status", {}).get("stateReason", ""))
        return raw

    async def change(
        self, namespace: str, name: str, make: Callable[[Object], Json], revision: str = "", manager: str = ""
    ) -> Object:
        """Changes a function's spec, as :func:`thaw.gateway.writes.change`, and waits until this gateway sees it."""
        read = partial(self.editable, namespace, name)
        written = await writes.change(self.kube, FUNCTION, read, make, revision=revision, manager=manager)
        await self.watch.caught_up(self.watch.functions, written)
        return written

    async def published(self, namespace: str, name: str, number: str) -> FunctionVersion:
        """A version, with its state as the API server has it now.

        :raises InvokeError: there is none.
        """
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

    @property
    def machine(self) -> str:
        """The architecture of this cluster, as Lambda spells it."""
        return shapes.architecture(self.shapes.machine)

    async def _described(self, namespace: str, name: str, qualifier: str) -> tuple[Object, FrozenTemplate, Json]:
        raw = await self.read(namespace, name)
        number = self.targets.number(namespace, name, qualifier) if qualifier else names.LATEST
        if number == names.LATEST:
            template = self.targets.latest_template(Function.model_validate(raw))
            return raw, template, self._latest(raw, qualified=bool(qualifier))
        version = await self.published(namespace, name, number)
        template, _ = await self.targets.template(version)
        return raw, template, self.shapes.version(version, template)

    async def _deletable_version(self, namespace: str, name: str, number: str) -> Object:
        aliases = self._aliases_on(namespace, name, number)
        if aliases:
            text = f"Unable to delete version because the following aliases reference it: [{', '.join(aliases)}]"
            raise answers.conflict(text)
        version = await self.published(namespace, name, number)
        if version.status.state == "Pending":
            raise answers.in_state("Pending", version.status.state_reason)
        return await self.kube.get(FUNCTION_VERSION, namespace, version.metadata.name)

    async def _is_of(self, version: FunctionVersion, wanted: FrozenTemplate) -> bool:
        """Whether a version froze what was looked at before it was published."""
        frozen, _ = await self.targets.template(version)
        return templates.template_hash(frozen.spec) == templates.template_hash(wanted.spec)

    async def _with_versions(self, raw: Object) -> list[Json]:
        meta = raw["metadata"]
        published = self.watch.versions_of(meta["namespace"], meta["name"])
        return [self._latest(raw, qualified=True), *[await self._version_shape(v) for v in published]]

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
            return await self._version_shape((await self.publisher.publish(written, "", "")).version)
        return self._latest(written, qualified=False)

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
            raise answers.unavailable("No node's agent is ready to keep the package.")
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
