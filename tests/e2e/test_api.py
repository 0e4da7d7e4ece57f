"""The Lambda API as an SDK's user sees it: waiters, tags, concurrency."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e.support import eventually, header, invoke, package, source

QUICK = {"Delay": 1, "MaxAttempts": 180}


@pytest.fixture
def published(lam, name):
    """A function made, published and awaited by boto3 alone."""
    lam.create_function(
        FunctionName=name,
        Runtime="python3.13",
        Handler="app.handler",
        Role="arn:aws:iam::111122223333:role/none",
        Code={"ZipFile": package(source("hooks"))},
        Timeout=10,
        SnapStart={"ApplyOn": "PublishedVersions"},
        Tags={"team": "a"},
    )
    lam.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig=QUICK)
    assert lam.publish_version(FunctionName=name)["Version"] == "1"
    lam.get_waiter("published_version_active").wait(FunctionName=name, Qualifier="1", WaiterConfig=QUICK)
    return name


def reason(lam, name, payload):
    """The Reason of a call that is throttled; empty of one that is not."""
    try:
        invoke(lam, name, payload, "1")
    except lam.exceptions.TooManyRequestsException as e:
        return e.response["Reason"]
    return ""


def test_an_sdks_user(cluster, lam, published):
    """Tags; provisioned concurrency with SnapStart, so that the first call is warm; reserved concurrency."""
    name = published
    arn = lam.get_function(FunctionName=name)["Configuration"]["FunctionArn"]
    lam.tag_resource(Resource=arn, Tags={"cost": "1"})
    lam.untag_resource(Resource=arn, TagKeys=["team"])
    assert lam.list_tags(Resource=arn)["Tags"] == {"cost": "1"}
    assert cluster.get("functions", name)["spec"]["tags"] == {"cost": "1"}

    provisioned = {"FunctionName": name, "Qualifier": "1"}
    put = lam.put_provisioned_concurrency_config(**provisioned, ProvisionedConcurrentExecutions=1)
    assert put["RequestedProvisionedConcurrentExecutions"] == 1
    eventually("READY", lambda: lam.get_provisioned_concurrency_config(**provisioned)["Status"] == "READY")
    body, response = invoke(lam, name, qualifier="1")
    assert header(response, "x-thaw-start") == "warm"
    assert body["type"] == "snap-start", "and it was restored"

    many = 3 * max(1, len(cluster.pods("app.kubernetes.io/component=gateway", "thaw-system")))
    lam.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=1)
    with ThreadPoolExecutor(many) as pool:
        reasons = list(pool.map(lambda _: reason(lam, name, {"sleep": 3}), range(many)))
    assert sorted(set(reasons)) == ["", "ReservedFunctionConcurrentInvocationLimitExceeded"]
    lam.delete_function_concurrency(FunctionName=name)
    assert reason(lam, name, {}) == ""
