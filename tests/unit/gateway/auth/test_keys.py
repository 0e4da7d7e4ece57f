"""The table of keys follows the Secrets, and says what is wrong with one."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

from thaw.decide.plan import Event
from thaw.gateway.auth.keys import AccessKeys, Refusals
from thaw.kube.client import Object
from thaw.kube.kinds import SECRET


def secret(name: str, **fields: str) -> Object:
    data = {"accessKeyId": "AKIA", "secretAccessKey": "0123456789abcdef", "namespace": "team"} | fields
    encoded = {k: base64.b64encode(v.encode()).decode() for k, v in data.items()}
    return {"metadata": {"name": name, "namespace": "thaw-system", "uid": f"uid-{name}"}, "data": encoded}


def table() -> tuple[AccessKeys, list[tuple[str, str]]]:
    keys = AccessKeys()
    told: list[tuple[str, str]] = []
    keys.on_refused.append(lambda item, why: told.append((item["metadata"]["name"], why)))
    return keys, told


def test_keys_follow_their_secrets() -> None:
    keys, told = table()
    keys.on_event("ADDED", secret("a"))
    assert (found := keys.find("AKIA"))
    assert found.namespace == "team"
    keys.on_event("MODIFIED", secret("a", namespace="other"))
    assert (found := keys.find("AKIA"))
    assert found.namespace == "other"
    keys.on_event("MODIFIED", secret("a", accessKeyId="BKIA"))
    assert keys.find("AKIA") is None
    assert keys.find("BKIA")
    keys.on_event("DELETED", secret("a", accessKeyId="BKIA"))
    assert keys.find("BKIA") is None
    assert told == []


def test_a_secret_that_is_changed_for_the_worse_opens_nothing() -> None:
    keys, told = table()
    keys.on_event("ADDED", secret("a"))
    keys.on_event("MODIFIED", secret("a", actions="lambda:Nothing"))
    assert keys.find("AKIA") is None
    assert [name for name, _ in told] == ["a"]
    assert "data.actions" in told[0][1]
    keys.on_event("MODIFIED", secret("a", actions="lambda:*"))
    assert keys.find("AKIA")


def test_two_with_one_id_open_nothing_until_one_is_gone() -> None:
    keys, told = table()
    keys.on_event("ADDED", secret("a", actions="lambda:Get*"))
    keys.on_event("ADDED", secret("b"))
    assert keys.find("AKIA") is None
    assert sorted(name for name, _ in told) == ["a", "b"]
    assert all("data.accessKeyId" in why for _, why in told)
    keys.on_event("ADDED", secret("c"))
    assert keys.find("AKIA") is None
    assert sorted(name for name, _ in told) == ["a", "b", "c"], "the first two were told already"
    keys.on_event("DELETED", secret("b"))
    keys.on_event("DELETED", secret("c"))
    assert (found := keys.find("AKIA"))
    assert found.actions == ("lambda:Get*",)


async def test_their_authors_are_told_by_events() -> None:
    written: list[tuple[Any, ...]] = []
    done = asyncio.Event()

    class Events:
        async def write(self, *arguments: Any) -> None:
            written.append(arguments)
            done.set()

    refusals = Refusals(Events())  # type: ignore[arg-type]
    refusals.tell(secret("a"), "data.actions: wrong (fix)")
    task = asyncio.ensure_future(refusals.run())
    await asyncio.wait_for(done.wait(), 5)
    task.cancel()
    event = Event("Warning", "AccessKeyRefused", "This access key opens nothing: data.actions: wrong (fix)")
    assert written == [(SECRET, "thaw-system", "a", "uid-a", event)]
