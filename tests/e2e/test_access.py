"""Who may call, through the real gateway: signatures of a wrong clock, presigned URLs, keys, tokens and roles."""

from __future__ import annotations

import datetime
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from e2e.support import NAMESPACE, SYSTEM, Cluster, eventually, inline, token_of_role

SOURCE = "def handler(event, context):\n    return event\n"
ENCODED = json.dumps({"a": 1}).encode()


@pytest.fixture
def function(cluster: Cluster, name: str) -> str:
    """A function without a snapshot: who may call it is all that matters."""
    cluster.apply("Function", "functions", name, inline(SOURCE, snapStart={"applyOn": "None"}))
    eventually(
        "the function is Active",
        lambda: (cluster.get("functions", name) or {}).get("status", {}).get("state") == "Active",
        30,
    )
    return name


@pytest.fixture
def account(cluster: Cluster, name: str) -> Iterator[str]:
    """A token of a service account that has the chart's role thaw-invoke in its namespace."""
    with token_of_role(cluster, name, "thaw-invoke") as token:
        yield token


@pytest.fixture
def key(cluster: Cluster) -> Iterator[Callable[..., Any]]:
    """Makes a client of boto3's with a new access key of given fields; gives it and the name of the key's Secret."""
    made: list[str] = []

    def make(**fields: str) -> tuple[Any, str]:
        name, id_, secret = f"e2e-{uuid.uuid4().hex[:8]}", f"AKIA{uuid.uuid4().hex[:12].upper()}", uuid.uuid4().hex
        data = {"accessKeyId": id_, "secretAccessKey": secret, "namespace": NAMESPACE} | fields
        meta = {"name": name, "labels": {"thaw.dev/access-key": "true"}}
        cluster.core.create_namespaced_secret(SYSTEM, {"metadata": meta, "stringData": data})
        made.append(name)
        return boto3.client(
            "lambda",
            endpoint_url=cluster.endpoint,
            region_name="us-east-1",
            aws_access_key_id=id_,
            aws_secret_access_key=secret,
            config=Config(retries={"max_attempts": 0}, read_timeout=120),
        ), name

    yield make
    for name in made:
        cluster.core.delete_namespaced_secret(name, SYSTEM)


def call(url: str, method: str = "GET", token: str = "", data: bytes | None = None) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=120) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as e:
        return e.code, json.loads(e.read())


def code(attempt: Callable[[], Any]) -> str:
    """The error of a call; empty when there is none."""
    try:
        attempt()
    except ClientError as e:
        return e.response["Error"]["Code"]
    return ""


def test_a_clock_that_is_wrong(lam: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    real = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: real - datetime.timedelta(minutes=6))
    with pytest.raises(ClientError, match=r"Signature expired: .* is now earlier than .* - 5 min\.\)") as e:
        lam.list_functions()
    assert e.value.response["Error"]["Code"] == "InvalidSignatureException"


def test_a_presigned_url(lam: Any, function: str) -> None:
    url = lam.generate_presigned_url("get_function", {"FunctionName": function}, ExpiresIn=60)
    status, answer = call(url)
    assert (status, answer["Configuration"]["FunctionName"]) == (200, function)
    assert call(url.replace(function, "other"))[0] == 403
    assert call(url.partition("?")[0])[0] == 403


def test_a_key_with_actions(cluster: Cluster, function: str, key: Callable[..., Any]) -> None:
    mine, _ = key(actions="lambda:GetFunction", functions=f"{function}*")
    eventually("the key opens", lambda: code(lambda: mine.get_function(FunctionName=function)) == "", 20)
    assert code(lambda: mine.invoke(FunctionName=function, Payload=ENCODED)) == "AccessDeniedException"
    assert code(lambda: mine.get_function(FunctionName="other")) == "AccessDeniedException"
    assert code(mine.list_functions) == "AccessDeniedException"


def test_a_key_that_is_misspelt(cluster: Cluster, key: Callable[..., Any]) -> None:
    mine, name = key(action="lambda:GetFunction")

    def told() -> list[str]:
        events = cluster.core.list_namespaced_event(SYSTEM, field_selector=f"involvedObject.name={name}")
        return [e.message for e in events.items if e.reason == "AccessKeyRefused"]

    assert "data.action: there is no such field" in eventually("its author is told", told, 30)[0]
    assert code(mine.list_functions) == "UnrecognizedClientException"


def test_a_service_account_that_may_invoke_and_nothing_else(cluster: Cluster, function: str, account: str) -> None:
    url = f"{cluster.endpoint}/2015-03-31/functions/{function}"
    assert call(f"{url}/invocations", "POST", account, ENCODED) == (200, {"a": 1})
    status, answer = call(f"{url}/versions", "POST", account, b"{}")
    assert (status, f'may not publish functions.thaw.dev "{function}"' in answer["message"]) == (403, True)
    assert call(url, "GET", account)[0] == 403
    assert call(f"{url}/invocations", "POST", account + "x", ENCODED)[0] == 401
