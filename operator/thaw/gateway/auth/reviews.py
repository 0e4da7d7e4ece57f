"""Users of the cluster: who they are by TokenReview, and what they may do by SubjectAccessReview.

Answers are remembered for seconds, refusals shorter, so that a right that is taken away is gone soon and one that is
given is there at once. An API server that does not answer opens nothing.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import structlog

from thaw import names
from thaw.errors import ClusterError, InvokeError
from thaw.gateway.auth.cache import Memory
from thaw.gateway.auth.caller import User
from thaw.gateway.auth.verbs import Verb
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import SUBJECT_ACCESS_REVIEW, TOKEN_REVIEW, Kind

KEPT = 10.0
"""Seconds for which a yes holds."""
KEPT_REFUSALS = 2.0
_TIMEOUT = 10.0
_AT_ONCE = 16
"""Tokens that are asked about at one time: a flood of invented ones must not become one of questions."""
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Verdict:
    """What a review said."""

    user: User | None = None
    """Of a token that is good."""
    allowed: bool = False
    reason: str = ""


class Reviews:
    """Asks the API server.

    :param audiences: whom a token must be for; none means the API server itself.
    """

    def __init__(self, kube: Kube, audiences: Sequence[str], clock: Callable[[], float] = time.monotonic) -> None:
        self._kube, self._audiences = kube, list(audiences)
        self._tokens_at_once = asyncio.Semaphore(_AT_ONCE)
        self._users = Memory[Verdict](lambda v: KEPT if v.user else KEPT_REFUSALS, clock)
        self._rights = Memory[Verdict](lambda v: KEPT if v.allowed else KEPT_REFUSALS, clock)

    async def user(self, token: str, before: Callable[[], None] = lambda: None) -> Verdict:
        """Whose token it is.

        :param before: called when the API server has to be asked; whatever it raises is raised instead.
        :raises InvokeError: 503 when the API server does not answer, 500 when it does not let the gateway ask.
        """
        return await self._users.get(_key(token), lambda: self._review_token(token, before))

    async def may(self, user: User, verb: Verb, namespace: str, function: str) -> Verdict:
        """Whether a user may do that with a function of a namespace, or with all of them when it is empty.

        :raises InvokeError: as of :meth:`user`.
        """
        key = _key(json.dumps([asdict(user), verb, namespace, function]))
        return await self._rights.get(key, lambda: self._review_access(user, verb, namespace, function))

    async def _review_token(self, token: str, before: Callable[[], None]) -> Verdict:
        async with self._tokens_at_once:
            before()
            return await self._ask_about_token(token)

    async def _ask_about_token(self, token: str) -> Verdict:
        spec: Object = {"token": token, **({"audiences": self._audiences} if self._audiences else {})}
        status = await self._review(TOKEN_REVIEW, spec)
        if not status.get("authenticated"):
            return Verdict(reason=status.get("error", ""))
        if self._audiences and not set(self._audiences) & set(status.get("audiences") or ()):
            return Verdict(reason=f"it is for none of the audiences {', '.join(self._audiences)}")
        told = status.get("user") or {}
        extra = tuple(sorted((k, tuple(v)) for k, v in (told.get("extra") or {}).items()))
        return Verdict(User(told["username"], told.get("uid", ""), tuple(told.get("groups") or ()), extra))

    async def _review_access(self, user: User, verb: Verb, namespace: str, function: str) -> Verdict:
        attributes = {"group": names.GROUP, "resource": "functions", "verb": verb, "namespace": namespace}
        spec = {
            "user": user.name,
            "uid": user.uid,
            "groups": list(user.groups),
            "extra": {key: list(values) for key, values in user.extra},
            "resourceAttributes": {**attributes, "name": function},
        }
        status = await self._review(SUBJECT_ACCESS_REVIEW, spec)
        allowed = bool(status.get("allowed")) and not status.get("denied")
        return Verdict(allowed=allowed, reason=status.get("reason", ""))

    async def _review(self, kind: Kind, spec: Object) -> Object:
        body = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {}, "spec": spec}
        try:
            async with asyncio.timeout(_TIMEOUT):
                answer = await self._kube.create(kind, body)
        except TimeoutError as e:
            raise _unavailable(f"no answer within {_TIMEOUT:g} s") from e
        except ClusterError as e:
            log.warning("review failed", kind=kind.kind, error=e.message)
            raise _unavailable(e.message) from e
        status: Object = answer.get("status") or {}
        return status


def _unavailable(reason: str) -> InvokeError:
    text = f"Bearer tokens cannot be checked now, because the cluster's API server did not review one: {reason}"
    return InvokeError(503, "ServiceException", text)


def _key(text: str) -> str:
    """No token is kept in memory longer than its request."""
    return hashlib.sha256(text.encode(errors="surrogateescape")).hexdigest()
