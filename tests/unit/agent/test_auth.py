"""Tokens: ours are let in, everything else is told no, and keys are fetched no oftener than needed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from thaw.agent import auth
from thaw.agent.errors import Refused

OPERATOR = "system:serviceaccount:thaw-system:thaw-operator"
GATEWAY = "system:serviceaccount:thaw-system:thaw-gateway"


@pytest.fixture(scope="module")
def keys() -> Iterator[tuple[RSAPrivateKey, RSAPrivateKey]]:
    return rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)


def public(key: RSAPrivateKey, kid: str) -> dict:
    return json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())) | {"kid": kid, "alg": "RS256", "use": "sig"}


def token(key: RSAPrivateKey, kid: str = "one", **claims) -> str:
    body = {"sub": OPERATOR, "aud": ["thaw-agent"], "exp": time.time() + 600, "iss": "https://kubernetes"} | claims
    return jwt.encode({k: v for k, v in body.items() if v is not None}, key, "RS256", {"kid": kid})


class Cluster:
    """Serves a key set, and counts."""

    def __init__(self, *keys: dict) -> None:
        self.keys, self.fetched, self.down = list(keys), 0, False

    async def __call__(self) -> dict:
        self.fetched += 1
        if self.down:
            raise OSError("connection refused")
        return {"keys": self.keys}


async def refused(verifier: auth.Verifier, header: str) -> int:
    with pytest.raises(Refused) as e:
        await verifier.caller(header)
    return e.value.status


@pytest.mark.parametrize(("subject", "caller"), [(OPERATOR, "operator"), (GATEWAY, "gateway")])
async def test_ours_are_known(keys, subject: str, caller: str) -> None:
    cluster = Cluster(public(keys[0], "one"))
    verifier = auth.Verifier(cluster, "thaw-system")
    assert await verifier.caller(f"Bearer {token(keys[0], sub=subject)}") == caller
    assert await verifier.caller(f"bearer {token(keys[0], sub=subject)}") == caller
    assert cluster.fetched == 1


@pytest.mark.parametrize(
    ("claims", "status"),
    [
        ({"sub": "system:serviceaccount:default:thaw-operator"}, 403),
        ({"sub": "system:serviceaccount:thaw-system:default"}, 403),
        ({"sub": "system:serviceaccount:thaw-system:thaw-agent"}, 403),
        ({"aud": ["https://kubernetes.default.svc"]}, 401),
        ({"aud": None}, 401),
        ({"exp": time.time() - 600}, 401),
        ({"exp": None}, 401),
        ({"sub": None}, 401),
        ({"nbf": time.time() + 600}, 401),
    ],
    ids=str,
)
async def test_claims_that_are_not_enough(keys, claims: dict, status: int) -> None:
    verifier = auth.Verifier(Cluster(public(keys[0], "one")), "thaw-system")
    assert await refused(verifier, f"Bearer {token(keys[0], **claims)}") == status


async def test_signatures_that_prove_nothing(keys) -> None:
    own, other = keys
    verifier = auth.Verifier(Cluster(public(own, "one")), "thaw-system")
    assert await refused(verifier, f"Bearer {token(other)}") == 401
    claims = {"sub": OPERATOR, "aud": "thaw-agent", "exp": time.time() + 600}
    assert await refused(verifier, f"Bearer {jwt.encode(claims, None, 'none', {'kid': 'one'})}") == 401
    pem = own.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert await refused(verifier, f"Bearer {_hmac(claims, pem)}") == 401


def _hmac(claims: dict, secret: bytes) -> str:
    """A token signed with the public key as HMAC's secret, which PyJWT refuses to make itself."""

    def part(value: bytes) -> str:
        return base64.urlsafe_b64encode(value).rstrip(b"=").decode()

    body = f"{part(json.dumps({'alg': 'HS256', 'kid': 'one'}).encode())}.{part(json.dumps(claims).encode())}"
    return f"{body}.{part(hmac.new(secret, body.encode(), hashlib.sha256).digest())}"


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic dXNlcjpwYXNz", "Bearer not.a.token", "Bearer x"])
async def test_no_token_at_all(keys, header: str) -> None:
    cluster = Cluster(public(keys[0], "one"))
    assert await refused(auth.Verifier(cluster, "thaw-system"), header) == 401


async def test_a_new_key_is_fetched_but_not_at_every_invented_one(keys, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = keys
    cluster = Cluster(public(old, "one"))
    verifier = auth.Verifier(cluster, "thaw-system")
    await verifier.caller(f"Bearer {token(old)}")
    cluster.keys = [public(new, "two")]
    for kid in ("invented", "invented-too"):
        assert await refused(verifier, f"Bearer {token(new, kid)}") == 401
    assert cluster.fetched == 1
    monkeypatch.setattr(auth, "_REFETCH_EVERY", 0.0)
    assert await verifier.caller(f"Bearer {token(new, 'two')}") == "operator"
    assert cluster.fetched == 2
    # The old key was taken out of the cluster's set: so are its tokens.
    assert await refused(verifier, f"Bearer {token(old)}") == 401


async def test_without_keys_nobody_is_let_in_and_it_may_be_tried_again(keys) -> None:
    cluster = Cluster(public(keys[0], "one"))
    cluster.down = True
    verifier = auth.Verifier(cluster, "thaw-system")
    with pytest.raises(Refused) as e:
        await verifier.caller(f"Bearer {token(keys[0])}")
    assert (e.value.status, e.value.retryable) == (503, True)
    cluster.down = False
    assert await verifier.caller(f"Bearer {token(keys[0])}") == "operator"
