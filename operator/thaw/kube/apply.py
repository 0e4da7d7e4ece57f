"""Does what was decided, each action so that doing it again after a crash changes nothing."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass, replace
from typing import Any, assert_never

import structlog

from thaw import names
from thaw.api.base import Model
from thaw.api.node import GrantRequest, Removal
from thaw.build import common, objects
from thaw.build import secrets as build_secrets
from thaw.build.init_pod import init_pod, trial_pod
from thaw.decide import actions as do
from thaw.decide.plan import Event, Plan
from thaw.errors import Conflict, NodeError, NodeInvalid, NotFound
from thaw.kube.agents import Agents
from thaw.kube.client import Kube, Object
from thaw.kube.events import Events
from thaw.kube.kinds import (
    CONFIG_MAP,
    CONTROLLER_REVISION,
    FUNCTION_ALIAS,
    FUNCTION_VERSION,
    POD,
    SNAPSHOT,
    Kind,
)
from thaw.kube.observe import CLAIM, PACKAGES
from thaw.settings import Settings

_GATEWAYS_OWN = ("lastInvokedTime", "unusable")
"""Fields of a status that the gateways write, and the operator only reads."""
_NOTE = 2000
log = structlog.get_logger(__name__)
_AT_ONCE = 8
"""Agents that are asked at the same time."""
_NAMES_TRIED = 20
_KINDS: dict[do.Deletable, Kind] = {
    "Pod": POD,
    "ControllerRevision": CONTROLLER_REVISION,
    "Snapshot": SNAPSHOT,
    "FunctionVersion": FUNCTION_VERSION,
    "FunctionAlias": FUNCTION_ALIAS,
}


async def _all(calls: Iterable[Coroutine[Any, Any, Removal]]) -> list[Removal]:
    """Makes the same call to many agents, a few at a time; each is asked, also when another refuses.

    :raises NodeError: the first refusal.
    """
    few = asyncio.Semaphore(_AT_ONCE)

    async def one(call: Coroutine[Any, Any, Removal]) -> Removal:
        async with few:
            return await call

    outcomes = await asyncio.gather(*(one(call) for call in calls), return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]


def _changes(before: Object, after: Object) -> Object:
    """A merge patch from one to the other: what is null is removed, what is not named stays as it is by then."""
    return {key: after.get(key) for key in before.keys() | after.keys() if before.get(key) != after.get(key)}


def _record(removals: Iterable[Removal]) -> str:
    """What was removed where, by node; a node that had nothing is named as well, for it was asked."""
    found: dict[str, list[str]] = {}
    for removal in removals:
        found.setdefault(removal.node, []).extend(removal.removed)
    return "; ".join(f"node {node}: {', '.join(had) or 'had nothing'}" for node, had in sorted(found.items()))


@dataclass(frozen=True)
class Subject:
    """The object a plan is about."""

    kind: Kind
    namespace: str
    name: str
    uid: str
    function: str
    version: str = ""
    """The number, of a FunctionVersion."""

    @property
    def as_owner(self) -> Object:
        """As the owner of what is made for it."""
        return common.owner_reference(self.kind.kind, self.name, self.uid)


class Applier:
    """Carries plans out."""

    def __init__(self, kube: Kube, agents: Agents, events: Events, settings: Settings) -> None:
        self._kube, self._agents, self._events, self._settings = kube, agents, events, settings

    async def apply(self, subject: Subject, before: Model, plan: Plan) -> None:
        """Actions, status, events and clean-up, in this order.

        :param before: the status as observed; an equal one is not written again.
        :raises ThawError: something could not be done; all of it may be tried again.
        """
        for action in plan.actions:
            await self._do(subject, action)
        if plan.status is not None:
            await self._write_status(subject, before, plan.status)
        for event in plan.events:
            await self._events.write(subject.kind, subject.namespace, subject.name, subject.uid, event)
        for action in plan.cleanup:
            await self._do(subject, action)

    async def _do(self, subject: Subject, action: do.Action) -> None:  # noqa: PLR0912
        log.info(
            "do",
            action=type(action).__name__,
            kind=subject.kind.kind,
            namespace=subject.namespace,
            object=subject.name,
            function=subject.function,
        )
        match action:
            case do.GiveNumber():
                await self._give_number(subject, action)
            case do.FreezeTemplate():
                await self._freeze(subject, action)
            case do.AdoptVersion():
                await self._adopt(subject, action)
            case do.CreateSnapshot():
                await self._create_snapshot(subject, action)
            case do.CreateInitPod():
                await self._create_init_pod(subject, action)
            case do.CreateTrialPod():
                await self._create_trial_pod(subject, action)
            case do.TryRestore():
                await self._try_restore(subject, action)
            case do.Vouch():
                await self._vouch(action)
            case do.DropJob():
                await self._delete_snapshot(action.snapshot_uid, action.agents)
            case do.PurgeSnapshot():
                removals = await self._delete_snapshot(action.snapshot_uid, action.agents)
                await self._purged(subject, f"Snapshot {subject.name}", removals)
            case do.ForgetPod():
                await self._forget(action)
            case do.WriteSnapshotStatus():
                snapshot = replace(subject, kind=SNAPSHOT, name=action.name, uid=action.uid)
                await self._write_status(snapshot, None, action.status)
            case do.PurgeCode():
                calls = (self._agents.delete_code(a, subject.namespace, action.sha256) for a in action.agents)
                await self._purged(subject, f"package {action.sha256[:12]}", await _all(calls))
            case do.Delete():
                await self._delete(subject, action)
            case do.PublishVersion():
                await self._publish(subject, action)
            case do.MoveAlias():
                await self._move_alias(subject, action)
            case do.RememberPackages():
                annotations = {PACKAGES: ",".join(action.packages) or None}
                await self._patch_meta(subject, {"annotations": annotations})
            case _:
                assert_never(action)

    async def _write_status(self, subject: Subject, before: Model | None, status: Model) -> None:
        body = status.to_json()
        if before is not None and before.to_json().get("observedGeneration"):
            body = _changes(before.to_json(), body)  # the first time all of it, so that every field is there to be read
        for field in _GATEWAYS_OWN:
            body.pop(field, None)
        if not body:
            return
        try:
            patch = {"metadata": {"uid": subject.uid}, "status": body}
            await self._kube.patch(subject.kind, subject.namespace, subject.name, patch, subresource="status")
        except NotFound:
            log.info("gone before its status was written", kind=subject.kind.kind, object=subject.name)

    async def _patch_meta(self, subject: Subject, meta: Object) -> None:
        body = {"metadata": {"uid": subject.uid} | meta}
        await self._kube.patch(subject.kind, subject.namespace, subject.name, body)

    # ------------------------------------------------------------ numbers and templates

    async def _give_number(self, subject: Subject, action: do.GiveNumber) -> None:
        meta: Object = {
            "name": names.VERSION_NUMBERS,
            "namespace": subject.namespace,
            "annotations": {CLAIM + action.function: action.claim},
        }
        body = {"metadata": meta, "data": {action.function: str(action.number)}}
        if not action.resource_version:
            await self._kube.create(CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap", **body})
            return
        meta["resourceVersion"] = action.resource_version
        await self._kube.patch(CONFIG_MAP, subject.namespace, names.VERSION_NUMBERS, body)

    async def _freeze(self, subject: Subject, action: do.FreezeTemplate) -> None:
        body = objects.revision(
            function=subject.function,
            namespace=subject.namespace,
            version_name=subject.name,
            version=action.version,
            template=action.template,
            owner=subject.as_owner,
        )
        await self._create_own(subject, CONTROLLER_REVISION, body)

    async def _adopt(self, subject: Subject, action: do.AdoptVersion) -> None:
        """Added to the owners it has: the list is one value in a merge patch."""
        raw = await self._kube.get(subject.kind, subject.namespace, subject.name)
        owner = common.owner_reference("Function", action.function, action.function_uid)
        owners = [o for o in raw["metadata"].get("ownerReferences", []) if o["kind"] != "Function"]
        if any(o.get("controller") for o in owners):
            owner["controller"] = False
        await self._patch_meta(
            subject, {"ownerReferences": [*owners, owner], "labels": {names.LABEL_FUNCTION: action.function}}
        )

    async def _create_own(self, subject: Subject, kind: Kind, body: Object) -> Object:
        """Creates a child by its fixed name; one that is there already is taken if it is ours.

        :raises Conflict: a namesake of somebody else's is in the way; it is deleted if it was an earlier owner's.
        """
        try:
            return await self._kube.create(kind, body)
        except Conflict:
            found = await self._kube.get(kind, subject.namespace, body["metadata"]["name"])
            owners = found["metadata"].get("ownerReferences", [])
            if any(o["uid"] == subject.uid for o in owners):
                return found
            if any(o["kind"] == subject.kind.kind and o["name"] == subject.name for o in owners):
                await self._kube.delete(
                    kind, subject.namespace, found["metadata"]["name"], uid=found["metadata"]["uid"]
                )
            raise

    # ------------------------------------------------------------ snapshots and their pods

    async def _create_snapshot(self, subject: Subject, action: do.CreateSnapshot) -> None:
        body = objects.snapshot(
            name=action.name,
            function=subject.function,
            namespace=subject.namespace,
            version_name=subject.name,
            version=subject.version,
            image=action.image,
            owner=subject.as_owner,
        )
        made = await self._create_own(subject, SNAPSHOT, body)
        if not made.get("status"):
            patch = {"metadata": {"uid": made["metadata"]["uid"]}, "status": {"phase": "Creating"}}
            await self._kube.patch(SNAPSHOT, subject.namespace, action.name, patch, subresource="status")

    async def _create_init_pod(self, subject: Subject, action: do.CreateInitPod) -> None:
        await self._create_own(subject, POD, init_pod(**self._pod(subject, action)))

    async def _create_trial_pod(self, subject: Subject, action: do.CreateTrialPod) -> None:
        await self._create_own(subject, POD, trial_pod(node=action.node, **self._pod(subject, action)))

    def _pod(self, subject: Subject, action: do.CreateInitPod | do.CreateTrialPod) -> dict[str, Any]:
        return {
            "name": action.name,
            "template": action.template,
            "function": subject.function,
            "namespace": subject.namespace,
            "qualifier": subject.version,
            "version_name": subject.name,
            "owner": subject.as_owner,
            "snapshot_uid": action.snapshot_uid,
            "generation": action.generation,
            "settings": self._settings,
        }

    async def _try_restore(self, subject: Subject, action: do.TryRestore) -> None:
        """No cold start instead: what is tried is the restore."""
        code = action.template.spec.code
        grant = GrantRequest(
            namespace=subject.namespace,
            name=action.pod,
            role="instance",
            protocol=action.template.spec.protocol,
            code=None if code.image else code,
            snapshot=action.snapshot_uid,
            cold_fallback=False,
            token=secrets.token_urlsafe(32),
        )
        said = names.ANNOTATION_GRANTED, "true"
        try:
            await self._agents.grant(action.agent, action.pod_uid, grant)
        except NodeError as e:
            if e.code != "SnapshotUnusable":
                raise
            said = names.ANNOTATION_REFUSED, e.message
        await self._note(subject.namespace, action.pod, action.pod_uid, *said)

    async def _vouch(self, action: do.Vouch) -> None:
        """Grants the pod and begins its snapshot; code that can never be unpacked is noted on the pod."""
        request = action.request.model_copy(update={"token": secrets.token_urlsafe(32)})
        code = action.template.spec.code
        grant = GrantRequest(
            namespace=request.namespace,
            name=request.name,
            role="init",
            protocol=request.protocol,
            code=None if code.image else code,
            token=request.token,
            credentials=build_secrets.before_snapshot(action.template.spec),
        )
        try:
            await self._agents.grant(action.agent, request.pod_uid, grant)
        except NodeInvalid as e:
            await self._note(request.namespace, request.name, request.pod_uid, names.ANNOTATION_REFUSED, e.message)
            return
        await self._agents.start_snapshot(action.agent, action.snapshot_uid, request)

    async def _note(self, namespace: str, pod: str, uid: str, key: str, value: str) -> None:
        """What an agent said of a pod, where the next look at the pod finds it."""
        meta = {"uid": uid, "annotations": {key: value[:_NOTE]}}
        await self._kube.patch(POD, namespace, pod, {"metadata": meta})

    async def _forget(self, action: do.ForgetPod) -> None:
        try:
            await self._agents.drop(action.agent, action.pod_uid)
        except NodeError as e:
            log.info("agent not told that a pod is done with", pod=action.pod_uid, error=str(e))

    async def _purged(self, subject: Subject, what: str, removals: list[Removal]) -> None:
        """Leaves a record of what was removed where, and when, as an Event and as a line of the log."""
        record = _record(removals)
        log.info("purged", what=what, namespace=subject.namespace, object=subject.name, removed=record)
        event = Event("Normal", "Purged", f"{what} is gone from every place: {record or 'no node has an agent'}")
        await self._events.write(subject.kind, subject.namespace, subject.name, subject.uid, event)

    async def _delete_snapshot(self, uid: str, agents: tuple[str, ...]) -> list[Removal]:
        """From every node and from the store.

        A store that they share is cleared by the first, when no other has a job left that writes to it; then the others
        look again, for what they took from it meanwhile.
        """
        if not self._settings.store_shared:
            return await _all(self._agents.delete_snapshot(agent, uid, store=True) for agent in agents)
        removals = []
        for some, store in ((agents[1:], False), (agents[:1], True), (agents[1:], False)):
            removals += await _all(self._agents.delete_snapshot(agent, uid, store=store) for agent in some)
        return removals

    # ------------------------------------------------------------ objects

    async def _delete(self, subject: Subject, action: do.Delete) -> None:
        try:
            await self._kube.delete(_KINDS[action.kind], subject.namespace, action.name, uid=action.uid)
        except Conflict:
            log.info("another object has that name now", kind=action.kind, object=action.name)

    async def _publish(self, subject: Subject, action: do.PublishVersion) -> None:
        """By the name given, or, where a version of another function has that, by one that follows from it.

        :raises Conflict: a version of this function has it: somebody else has published meanwhile.
        """
        owner = common.owner_reference("Function", subject.function, action.function_uid)
        name = action.name
        for attempt in range(1, _NAMES_TRIED + 1):
            body = objects.version(name=name, namespace=subject.namespace, function=subject.function, owner=owner)
            try:
                await self._kube.create(FUNCTION_VERSION, body)
                return
            except Conflict:
                found = await self._kube.get(FUNCTION_VERSION, subject.namespace, name)
                if found["spec"]["functionName"] == subject.function or attempt == _NAMES_TRIED:
                    raise
                name = names.version_object(action.name, attempt)

    async def _move_alias(self, subject: Subject, action: do.MoveAlias) -> None:
        owner = common.owner_reference("Function", subject.function, action.function_uid)
        body = objects.alias(
            name=action.name,
            namespace=subject.namespace,
            function=subject.function,
            alias=action.alias,
            version=action.version,
            owner=owner,
        )
        if not action.name:
            await self._kube.create(FUNCTION_ALIAS, body)
            return
        await self._kube.patch(
            FUNCTION_ALIAS, subject.namespace, action.name, {"spec": objects.moved_to(action.version)}
        )
