"""Who calls: a service account's token, checked offline against the cluster's public keys.

The agent asks nobody on a call's way, and needs no right to TokenReview: every service account may read the keys.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, Literal

import jwt

from thaw import names
from thaw.agent.errors import Refused

Caller = Literal["operator", "gateway"]
Keys = Callable[[], Awaitable[dict[str, Any]]]
"""Fetches the cluster's JWKS."""

_ALGORITHMS = ["RS256", "RS384", "RS512", "ES256", "ES384", "ES512"]
"""No HMAC and no ``none``: with those, whoever knows the public key could sign."""
_REFETCH_EVERY = 10.0
"""Seconds between fetches: tokens with invented key ids must not become load on the API server."""


class Verifier:
    """Checks bearer tokens.

    :param keys: fetches the key set; called at first, and again when a token names an unknown key.
    :param namespace: where the operator and the gateway run.
    """

    def __init__(self, keys: Keys, namespace: str) -> None:
        self._fetch = keys
        self._callers: dict[str, Caller] = {
            f"system:serviceaccount:{namespace}:thaw-operator": "operator",
            f"system:serviceaccount:{namespace}:thaw-gateway": "gateway",
        }
        self._keys: dict[str, jwt.PyJWK] = {}
        self._fetched: float | None = None
        self._lock = asyncio.Lock()

    async def caller(self, header: str) -> Caller:
        """Who presents an ``Authorization`` header.

        :raises Refused: 401 for a token that proves nothing, 403 for one of somebody else, 503 without keys.
        """
        scheme, _, token = header.partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise Refused(401, "Unauthenticated", "a service account's bearer token is needed")
        try:
            key = await self._key(str(jwt.get_unverified_header(token).get("kid", "")))
            claims = jwt.decode(
                token,
                key,
                algorithms=_ALGORITHMS,
                audience=names.AGENT_AUDIENCE,
                options={"require": ["exp", "aud", "sub"]},
            )
        except jwt.PyJWTError as e:
            raise Refused(401, "Unauthenticated", f"the token is not valid: {e}") from e
        try:
            return self._callers[str(claims["sub"])]
        except KeyError:
            raise Refused(403, "Forbidden", f"{claims['sub']} may not call an agent") from None

    async def _key(self, kid: str) -> jwt.PyJWK:
        if kid not in self._keys:
            async with self._lock:
                await self._refresh(kid)
        try:
            return self._keys[kid]
        except KeyError:
            raise jwt.InvalidKeyError("its key is not one of this cluster's") from None

    async def _refresh(self, kid: str) -> None:
        recent = self._fetched is not None and time.monotonic() - self._fetched < _REFETCH_EVERY
        if kid in self._keys or recent:
            return
        try:
            found = jwt.PyJWKSet.from_dict(await self._fetch())
        except (jwt.PyJWTError, OSError, TimeoutError) as e:
            raise Refused(503, "NoKeys", f"cannot read the cluster's keys: {e!r}", retryable=True) from e
        self._fetched = time.monotonic()
        self._keys = {key.key_id: key for key in found.keys if key.key_id}
