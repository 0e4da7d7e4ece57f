"""A Node function that streams: by InvokeWithResponseStream, and by function URLs."""

from __future__ import annotations

import base64
import json
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from e2e.support import DATA, Cluster, eventually, header, inline, publish, state

URLS = {
    "$LATEST": {"authType": "AWS_IAM"},
    "live": {"authType": "NONE", "invokeMode": "RESPONSE_STREAM", "cors": {"allowOrigins": ["https://page.example"]}},
}


@pytest.fixture(scope="module")
def function(cluster: Cluster, lam: Any) -> Iterator[str]:
    """Published with a snapshot, behind the alias ``live``."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    spec = {
        "runtime": "nodejs22",
        "handler": "stream.handler",
        "code": {"inline": {"stream.mjs": (DATA / "nodejs" / "stream.mjs").read_text()}},
        "timeout": 4,
        "snapStart": {"applyOn": "PublishedVersions"},
        "urls": URLS,
    }
    state(cluster, publish(cluster, name, spec), "Active")
    lam.create_alias(FunctionName=name, Name="live", FunctionVersion="1")
    yield name
    cluster.delete("functions", name)
    eventually(f"deletion of {name}", lambda: cluster.get("functions", name) is None)


def streamed(lam: Any, function: str, **event: Any) -> tuple[list[bytes], dict[str, Any], dict[str, Any]]:
    """The pieces, how it ended, and the response."""
    response = lam.invoke_with_response_stream(
        FunctionName=function, Qualifier="live", Payload=json.dumps(event).encode(), LogType="Tail"
    )
    *pieces, last = list(response["EventStream"])
    return [p["PayloadChunk"]["Payload"] for p in pieces], last["InvokeComplete"], response


def test_pieces_arrive_before_the_end(lam, function):
    response = lam.invoke_with_response_stream(FunctionName=function, Qualifier="live", LogType="Tail")
    events = iter(response["EventStream"])
    assert next(events)["PayloadChunk"]["Payload"] == b"first\n"
    arrived = time.time()
    assert int(next(events)["PayloadChunk"]["Payload"]) / 1000 > arrived
    end = next(events)["InvokeComplete"]
    assert "ErrorCode" not in end
    assert b"REPORT RequestId: " in base64.b64decode(end["LogResult"])
    assert next(events, None) is None
    assert (response["ExecutedVersion"], header(response, "x-thaw-start")) == ("1", "restore")


@pytest.mark.parametrize(
    ("fail", "pieces", "reason", "start_afterwards"),
    [
        ("early", [], "before anything", "warm"),
        ("late", [b"first\n"], "half-way", "warm"),
        ("exit", [b"first\n"], "Runtime exited with error: exit status 3", "restore"),
        ("hang", [b"first\n"], "Task timed out after 4.00 seconds", "restore"),
    ],
)
def test_a_function_that_fails_half_way(lam, function, fail, pieces, reason, start_afterwards):
    got, end, _ = streamed(lam, function, fail=fail)
    assert (got, end["ErrorCode"]) == (pieces, "Unhandled")
    assert reason in end["ErrorDetails"]
    got, end, response = streamed(lam, function)
    assert (len(got), "ErrorCode" in end, header(response, "x-thaw-start")) == (2, False, start_afterwards)


def test_invoke_collects_it(lam, function):
    response = lam.invoke(FunctionName=function, Qualifier="live")
    assert response["Payload"].read().startswith(b"first\n")


@dataclass(frozen=True)
class Answer:
    """What a URL's caller sees."""

    status: int
    headers: Any
    body: bytes


def get(url: str, **headers: str) -> Answer:
    request = urllib.request.Request(url, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return Answer(answer.status, answer.headers, answer.read())
    except urllib.error.HTTPError as e:
        return Answer(e.code, e.headers, e.read())


def url_of(lam: Any, function: str, **qualifier: str) -> str:
    return lam.get_function_url_config(FunctionName=function, **qualifier)["FunctionUrl"]


def test_a_url_of_an_alias_streams_to_whoever_calls(lam, function):
    url = url_of(lam, function, Qualifier="live") + "a%20b?x=y"
    with urllib.request.urlopen(urllib.request.Request(url, headers={"Origin": "https://page.example"})) as answer:
        assert (answer.status, answer.headers["Content-Type"]) == (201, "text/plain")
        assert (answer.headers["X-Path"], answer.headers.get_all("Set-Cookie")) == ("/a%20b", ["a=b", "c=d"])
        assert answer.headers["Access-Control-Allow-Origin"] == "https://page.example"
        assert answer.headers["X-Thaw-Start"] in ("restore", "warm")
        assert answer.readline() == b"first\n"
        arrived = time.time()
        assert int(answer.readline()) / 1000 > arrived
    failed = get(url + "&fail=early")
    assert (failed.status, json.loads(failed.body)) == (502, {"Message": "Internal Server Error"})


def test_a_url_of_aws_iam_is_for_who_signs(lam, function):
    url = url_of(lam, function) + "signed?x=y"
    refused = get(url)
    assert (refused.status, json.loads(refused.body)) == (403, {"Message": "Forbidden"})
    request = AWSRequest("GET", url)
    SigV4Auth(boto3.Session().get_credentials(), "lambda", "us-east-1").add_auth(request)
    answer = get(url, **dict(request.headers))
    assert (answer.status, answer.headers["X-Path"], answer.headers["X-Thaw-Start"]) == (201, "/signed", "cold")
    assert answer.body.startswith(b"first\n")
    tampered = get(url + "&more", **dict(request.headers))
    assert tampered.status == 403


def test_the_operations_by_a_python_function(cluster, lam, name):
    """Which answers in one piece, also behind a URL that would stream."""
    cluster.apply("Function", "functions", name, inline("def handler(event, context): return event"))
    eventually(
        "the function", lambda: (cluster.get("functions", name) or {}).get("status", {}).get("state") == "Active"
    )
    made = lam.create_function_url_config(FunctionName=name, AuthType="NONE", InvokeMode="RESPONSE_STREAM")
    assert cluster.get("functions", name)["spec"]["urls"]["$LATEST"]["invokeMode"] == "RESPONSE_STREAM"
    event = json.loads(get(made["FunctionUrl"] + "p?q=1").body)
    assert (event["rawPath"], event["queryStringParameters"]) == ("/p", {"q": "1"})
    updated = lam.update_function_url_config(FunctionName=name, InvokeMode="BUFFERED")
    assert (updated["CreationTime"], updated["InvokeMode"]) == (made["CreationTime"], "BUFFERED")
    lam.delete_function_url_config(FunctionName=name)
    eventually("its end", lambda: get(made["FunctionUrl"]).status == 404)
