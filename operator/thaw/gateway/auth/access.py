"""One place that says who calls and whether they may; the servers' middleware and handlers ask nobody else."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import structlog
from aiohttp import web

from thaw import names
from thaw.errors import InvokeError
from thaw.gateway import answers
from thaw.gateway.arns import Arns
from thaw.gateway.auth import sigv4
from thaw.gateway.auth.accesskey import AccessKey
from thaw.gateway.auth.bucket import Buckets
from thaw.gateway.auth.caller import Caller, User
from thaw.gateway.auth.canonical import Request
from thaw.gateway.auth.keys import AccessKeys
from thaw.gateway.auth.limits import Limits
from thaw.gateway.auth.peers import peer
from thaw.gateway.auth.reviews import Reviews
from thaw.gateway.auth.verbs import ACTIONS, VERBS, Verb

CALLER = web.RequestKey("caller", Caller)
"""Who was found to make a request."""
BODY = web.RequestKey("body", bytes)
"""What was read of the body to check a signature over it."""
_LARGE = 1024 * 1024
log = structlog.get_logger(__name__)
_H = TypeVar("_H", bound=Callable[..., Awaitable[web.StreamResponse]])


def guarded(handler: _H) -> _H:
    """Marks a handler that calls :class:`Access` itself, or is for anybody: the middleware lets all pass to it."""
    handler.__dict__["guards_itself"] = True
    return handler


def guards_itself(handler: object) -> bool:
    """Whether a handler is marked so."""
    return bool(getattr(handler, "guards_itself", False))


class Access:
    """Authenticates and authorises.

    :param clock: monotonic seconds; what limits are counted by.
    :param now: the time, with its zone; what signatures are compared with.
    """

    def __init__(
        self,
        *,
        keys: AccessKeys,
        reviews: Reviews,
        arns: Arns,
        limits: Limits,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._keys, self._reviews, self._arns = keys, reviews, arns
        self._limits, self._now = limits, now
        # Apart, so that failures from many addresses never push a caller's own count out.
        self._calls, self._failures = Buckets(clock), Buckets(clock)

    async def authenticate(self, request: web.Request) -> Caller:
        """Finds who calls, by a bearer token or a signature, counts the request, and notes them as ``request[CALLER]``.

        The body is read only when a known key's signature covers it.

        :raises InvokeError: 401 or 403, whoever it is has not shown it; 429, they call too often; 503, nobody can tell.
        """
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        found = await (self._by_token(request, token.strip()) if scheme.lower() == "bearer" else self._by_key(request))
        rate = found.rate or self._limits.caller
        if rate is not None and (wait := self._calls.take(f"{type(found.by).__name__} {found.name}", rate)):
            raise answers.called_too_often(f"{found.name} may make {rate.per_second:g} requests a second.", wait)
        request[CALLER] = found
        return found

    async def require(self, request: web.Request, verb: Verb, namespace: str, function: str = "") -> Caller:
        """For handlers that are no operation of Lambda's: who calls, if they may do that in that namespace.

        :param function: empty for all of the namespace.
        :raises InvokeError: as of :meth:`authenticate`, and 403 AccessDeniedException.
        """
        caller = request.get(CALLER) or await self.authenticate(request)
        await self.authorize(caller, ACTIONS[verb], verb, namespace, function)
        return caller

    async def operate(self, caller: Caller, operation: str, action: str, function: str) -> None:
        """Lets an operation of Lambda's pass, in the caller's namespace.

        :param operation: its name in AWS's model.
        :param action: IAM's.
        :raises InvokeError: 403 AccessDeniedException.
        """
        await self.authorize(caller, action, VERBS.get(operation), caller.namespace, function)

    async def authorize(self, caller: Caller, action: str, verb: Verb | None, namespace: str, function: str) -> None:
        """Lets pass who may.

        :param verb: None for what no bearer token allows.
        :raises InvokeError: 403 AccessDeniedException, in AWS's words.
        """
        resource = self._arns.function(function) if function else "*"
        match caller.by:
            case AccessKey() as key:
                who = self._arns.user(caller.name)
                if key.namespace != namespace:
                    why = f"this access key is for the namespace {key.namespace} only"
                elif key.allows(action, function):
                    return
                else:
                    why = f"no identity-based policy allows the {action} action"
            case User() as user:
                who = caller.name
                if verb is None:
                    why = "no bearer token allows it"
                else:
                    verdict = await self._reviews.may(user, verb, namespace, function)
                    if verdict.allowed:
                        return
                    named = f' "{function}"' if function else ""
                    why = f'they may not {verb} functions.thaw.dev{named} in the namespace "{namespace}"'
                    why += f": {verdict.reason}" if verdict.reason else ""
        log.info("denied", caller=caller.name, action=action, resource=resource, namespace=namespace)
        raise answers.denied(who, action, resource, why)

    async def _by_token(self, request: web.Request, token: str) -> Caller:
        if not token:
            raise answers.bad_token("it is empty")
        guesses = f"tokens {self._peer(request)}"
        verdict = await self._reviews.user(token, lambda: self._refuse_guessing(guesses))
        user = verdict.user
        if user is None:
            self._failed(guesses)
            raise answers.bad_token(verdict.reason or "the cluster does not know it")
        return Caller(user.name, _wanted(request) or user.namespace, user)

    async def _by_key(self, request: web.Request) -> Caller:
        path, _, query = request.raw_path.partition("?")
        signed = Request(request.method, path, query, list(request.headers.items()))
        signature = sigv4.read(signed)
        sigv4.check(signed, signature, self._arns.region, self._now())
        key = self._find(request, signature.key_id)
        await self._verify(request, signed, signature, key)
        if key.expired(self._now()):
            raise InvokeError(403, "ExpiredTokenException", "The security token included in the request is expired")
        wanted = _wanted(request)
        if wanted not in ("", key.namespace):
            raise answers.denied(
                self._arns.user(key.id), "lambda:*", "*", f"this access key is for the namespace {key.namespace} only"
            )
        return Caller(key.id, key.namespace, key, key.rate)

    async def _verify(self, request: web.Request, signed: Request, signature: sigv4.Signature, key: AccessKey) -> None:
        """Checks the signature, before the body is read where the request declares the body's hash."""
        guesses = f"key {key.id} {self._peer(request)}"

        def verify(payload_hash: str) -> None:
            # Nothing is awaited in here, so that guesses sent all at once are counted one by one.
            self._refuse_guessing(guesses)
            try:
                sigv4.verify(signed, signature, key.secret, payload_hash)
            except InvokeError:
                self._failed(guesses)
                raise

        declared = sigv4.declared_payload(signed)
        if declared is None:
            self._refuse_guessing(guesses)
        else:
            verify(declared)
        if declared == sigv4.UNSIGNED:
            return
        request[BODY] = body = await request.read()
        actual = await _sha256(body)
        if declared is None:
            verify(actual)
        else:
            sigv4.verify_payload(declared, actual)

    def _find(self, request: web.Request, key_id: str) -> AccessKey:
        key = self._keys.find(key_id)
        if key is None:
            guesses = f"keys {self._peer(request)}"
            self._refuse_guessing(guesses)
            self._failed(guesses)
            text = "The security token included in the request is invalid."
            raise InvokeError(403, "UnrecognizedClientException", text)
        return key

    def _refuse_guessing(self, bucket: str) -> None:
        rate = self._limits.failures
        if rate is not None and (wait := self._failures.wait(bucket, rate)):
            raise answers.called_too_often("Too many requests from this address were refused as unauthenticated.", wait)

    def _failed(self, bucket: str) -> None:
        log.info("authentication failed", of=bucket)
        if self._limits.failures is not None:
            self._failures.take(bucket, self._limits.failures)

    def _peer(self, request: web.Request) -> str:
        forwarded = ",".join(request.headers.getall("X-Forwarded-For", ()))
        return peer(request.remote or "", forwarded, self._limits.trusted_proxies)


def _wanted(request: web.Request) -> str:
    """The namespace that the caller names.

    :raises InvokeError: 400, it cannot be one.
    """
    named = request.headers.get(names.NAMESPACE_HEADER, "")
    if named and not names.NAMESPACE.fullmatch(named):
        raise answers.invalid(f"{names.NAMESPACE_HEADER} must be the name of a namespace, not '{named[:80]}'")
    return named


async def _sha256(body: bytes) -> str:
    if len(body) < _LARGE:
        return hashlib.sha256(body).hexdigest()
    return await asyncio.to_thread(lambda: hashlib.sha256(body).hexdigest())
