"""What the API server is asked about a token, and for how long its answer holds."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from thaw.errors import ClusterError, Forbidden, InvokeError, Unavailable
from thaw.gateway.auth.caller import User
from thaw.gateway.auth.reviews import KEPT, KEPT_REFUSALS, Reviews
from thaw.kube.client import Object
from unit.gateway.auth.test_bucket import Clock
from unit.gateway.world import FakeKube

ROBOT = {
    "username": "system:serviceaccount:team:robot",
    "uid": "u1",
    "groups": ["system:serviceaccounts", "system:authenticated"],
    "extra": {"authentication.kubernetes.io/pod-name": ["p"]},
}


def reviews(kube: FakeKube, clock: Callable[[], float] | None = None, audiences: tuple[str, ...] = ()) -> Reviews:
    return Reviews(kube, audiences, clock or Clock())  # type: ignore[arg-type]


async def test_all_that_is_known_of_a_user_is_asked_about() -> None:
    kube = FakeKube()
    kube.tokens["good"] = ROBOT
    kube.rights.add((ROBOT["username"], "invoke", "team", "fn"))
    found = reviews(kube)
    user = (await found.user("good")).user
    assert user is not None
    assert (user.name, user.namespace) == ("system:serviceaccount:team:robot", "team")
    assert (await found.may(user, "invoke", "team", "fn")).allowed
    assert not (await found.may(user, "publish", "team", "fn")).allowed
    assert kube.reviewed[0]["spec"] == {"token": "good"}
    assert kube.reviewed[1]["spec"] == {
        "user": ROBOT["username"],
        "uid": "u1",
        "groups": ROBOT["groups"],
        "extra": ROBOT["extra"],
        "resourceAttributes": {
            "group": "thaw.dev",
            "resource": "functions",
            "verb": "invoke",
            "namespace": "team",
            "name": "fn",
        },
    }


async def test_a_yes_holds_longer_than_a_no() -> None:
    kube, clock = FakeKube(), Clock()
    found, user = reviews(kube, clock), User("bob")
    assert not (await found.may(user, "get", "team", "fn")).allowed
    kube.rights.add(("bob", "get", "team", "fn"))
    clock.now += KEPT_REFUSALS - 0.1
    assert not (await found.may(user, "get", "team", "fn")).allowed
    clock.now += 0.1
    assert (await found.may(user, "get", "team", "fn")).allowed
    kube.rights.clear()
    clock.now += KEPT - 0.1
    assert (await found.may(user, "get", "team", "fn")).allowed
    clock.now += 0.1
    assert not (await found.may(user, "get", "team", "fn")).allowed


async def test_rights_are_remembered_for_one_user_and_one_thing() -> None:
    kube = FakeKube()
    kube.rights.add(("bob", "get", "team", "fn"))
    found = reviews(kube)
    assert (await found.may(User("bob"), "get", "team", "fn")).allowed
    for user, verb, namespace, function in (
        (User("eve"), "get", "team", "fn"),
        (User("bob", groups=("other",)), "delete", "team", "fn"),
        (User("bob"), "get", "other", "fn"),
        (User("bob"), "get", "team", "fn2"),
        (User("bob"), "get", "team", ""),
    ):
        assert not (await found.may(user, verb, namespace, function)).allowed  # type: ignore[arg-type]


async def test_a_token_that_is_gone_is_soon_unknown() -> None:
    kube, clock = FakeKube(), Clock()
    kube.tokens["good"] = ROBOT
    found = reviews(kube, clock)
    assert (await found.user("good")).user
    del kube.tokens["good"]
    clock.now += KEPT - 0.1
    assert (await found.user("good")).user
    clock.now += 0.1
    assert (await found.user("good")).user is None


async def test_what_is_known_is_asked_of_nobody() -> None:
    kube = FakeKube()
    kube.tokens["good"] = ROBOT
    found, asked = reviews(kube), []

    def before() -> None:
        asked.append(1)
        if len(asked) > 1:
            raise InvokeError(429, "TooManyRequestsException", "")

    for _ in range(3):
        assert (await found.user("good", before)).user
    with pytest.raises(InvokeError):
        await found.user("another", before)
    assert (len(asked), len(kube.reviewed)) == (2, 1)


@pytest.mark.parametrize(("answered", "good"), [(["thaw"], True), (["api"], False), (None, False)])
async def test_a_token_must_be_for_the_audience(answered: list[str] | None, good: bool) -> None:
    """An API server that ignores audiences answers without them."""

    class Kube(FakeKube):
        def _review(self, body: Object) -> Object:
            assert body["spec"]["audiences"] == ["thaw", "lambda"]
            return {"status": {"authenticated": True, "user": ROBOT, "audiences": answered}}

    assert bool((await reviews(Kube(), audiences=("thaw", "lambda")).user("t")).user) is good


@pytest.mark.parametrize("error", [Unavailable, Forbidden, ClusterError])
async def test_an_api_server_that_does_not_say_opens_nothing(error: type[ClusterError]) -> None:
    kube = FakeKube()
    found = reviews(kube)
    for kind in ("TokenReview", "SubjectAccessReview"):
        kube.refuse[kind] = error(kind, "", "", "away")
    with pytest.raises(InvokeError) as e:
        await found.user("t")
    assert (e.value.status, e.value.type) == (503, "ServiceException")
    with pytest.raises(InvokeError) as e:
        await found.may(User("bob"), "get", "team", "fn")
    assert e.value.status == 503
    assert "away" in e.value.message
    kube.refuse.clear()
    kube.tokens["t"] = ROBOT
    assert (await found.user("t")).user, "a failure is not remembered"


async def test_a_denial_outweighs() -> None:
    class Kube(FakeKube):
        def _review(self, body: Object) -> Object:
            return {"status": {"allowed": True, "denied": True, "reason": "never"}}

    verdict = await reviews(Kube()).may(User("bob"), "get", "team", "fn")
    assert (verdict.allowed, verdict.reason) == (False, "never")


@pytest.mark.parametrize(
    ("name", "namespace"),
    [
        ("system:serviceaccount:team:robot", "team"),
        ("system:serviceaccount:team", ""),
        ("bob", ""),
        ("a:b:team:c", ""),
    ],
)
def test_only_service_accounts_have_a_namespace(name: str, namespace: str) -> None:
    assert User(name).namespace == namespace
