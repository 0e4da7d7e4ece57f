"""Changes of the cluster's objects by the API: on the state that was looked at, and of nothing that others declare."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from thaw.api.v1alpha1 import Meta
from thaw.decide import ownership
from thaw.errors import Conflict
from thaw.gateway import answers, shapes
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import Kind

Json = dict[str, Any]
_TRIES = 5


async def change(
    kube: Kube,
    kind: Kind,
    read: Callable[[], Awaitable[Object]],
    make: Callable[[Object], Json],
    *,
    revision: str = "",
    manager: str = "",
) -> Object:
    """Patches the spec of an object; when somebody changed it meanwhile, all is looked at again.

    :param read: the object from the API server, or the error that there is none to be changed.
    :param make: the merge patch of the spec, or the error that it cannot be made on this object.
    :param revision: the RevisionId that the object must have; empty for any.
    :param manager: of the fields, the gateway's own by default; one to themselves tells when they changed.
    :raises InvokeError: 412, another revision; 409, a field that another manager declares, or no end of changes.
    """
    for _ in range(_TRIES):
        raw = await read()
        check_revision(raw, revision)
        patch = {"spec": make(raw)}
        check_declared(raw, patch)
        meta = raw["metadata"]
        body = {"metadata": {"resourceVersion": meta["resourceVersion"]}, **patch}
        try:
            return await kube.patch(kind, meta["namespace"], meta["name"], body, manager=manager)
        except Conflict:
            continue
    raise answers.unsettled()


async def delete(kube: Kube, kind: Kind, raw: Object) -> None:
    """Deletes an object, unless its deployer would only make it anew.

    :raises InvokeError: 409, naming the deployer.
    """
    meta = raw["metadata"]
    if manager := ownership.deployed_by(raw):
        raise answers.conflict(f"{kind.kind} {meta['name']} is managed by {manager}: delete it there")
    await kube.delete(kind, meta["namespace"], meta["name"], uid=meta["uid"])


def check_declared(raw: Object, patch: Json) -> None:
    """Refuses a patch of what somebody else declares.

    :raises InvokeError: 409, naming the field and its manager.
    """
    if found := ownership.first_declared(raw, patch):
        raise answers.declared(found.where, found.manager)


def check_revision(raw: Object, revision: str) -> None:
    """Refuses another revision than the one wanted.

    :raises InvokeError: 412 PreconditionFailedException.
    """
    if revision and revision != shapes.revision_id(Meta.model_validate(raw["metadata"])):
        raise answers.precondition()
