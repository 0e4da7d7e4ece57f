"""``thaw invoke``: the result on stdout, everything else on stderr, and as whom the gateway is called."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest
from aiohttp import web

from unit.cli.world import Cluster, encoded, kubeconfig

LOG = "START RequestId: r\nfirst\rsecond\nEND RequestId: r\n"
HEADERS = {
    "X-Amz-Executed-Version": "3",
    "X-Thaw-Start": "restore",
    "X-Thaw-Restore-Ms": "142.6",
    "X-Amz-Log-Result": base64.b64encode(LOG.encode()).decode(),
}


def answers(cluster: Cluster, body: bytes = b'"hello Bob"', status: int = 200, **headers: str) -> None:
    more = {name.replace("_", "-"): value for name, value in headers.items()}
    cluster.answer = lambda _: web.Response(status=status, body=body, headers=HEADERS | more)


def test_the_result_alone_is_on_stdout(thaw, cluster: Cluster) -> None:
    answers(cluster)
    code, out, err = thaw("invoke", "greet:live", "--payload", '{"name": "Bob"}')
    assert (code, out) == (0, '"hello Bob"\n')
    lines = err.splitlines()
    assert lines[:4] == ["START RequestId: r", "first", "second", "END RequestId: r"]
    assert lines[4].startswith("version 3: restore in 143 ms, ")
    [(request, body)] = cluster.gateway_calls
    assert request.method == "POST"
    assert request.path_qs == "/2015-03-31/functions/greet/invocations?Qualifier=live"
    assert body == b'{"name": "Bob"}'
    assert request.headers["X-Amz-Log-Type"] == "Tail"


def test_a_functions_error_is_exit_code_1_in_its_own_words(thaw, cluster: Cluster) -> None:
    said = b'{"errorType": "ValueError", "errorMessage": "no such luck"}'
    answers(cluster, said, X_Amz_Function_Error="Unhandled")
    code, out, err = thaw("invoke", "greet")
    assert (code, out) == (1, said.decode() + "\n")
    assert err.splitlines()[-1] == "thaw: the function failed: ValueError: no such luck (its log says more)"


def test_a_refusal_is_one_line_with_a_fix(thaw, cluster: Cluster) -> None:
    headers = {"x-amzn-errortype": "ResourceNotFoundException"}
    body = {"Message": "Function not found: arn:greet"}
    cluster.answer = lambda _: web.json_response(body, status=404, headers=headers)
    said = "ResourceNotFoundException (404): Function not found: arn:greet (thaw top lists functions and versions)"
    assert thaw("invoke", "greet") == (1, "", f"thaw: {said}\n")


def test_an_event_is_not_waited_for(thaw, cluster: Cluster) -> None:
    cluster.answer = lambda _: web.Response(status=202)
    assert thaw("invoke", "greet", "--event") == (0, "", "accepted: it runs later\n")
    [(request, _)] = cluster.gateway_calls
    assert request.headers["X-Amz-Invocation-Type"] == "Event"
    assert "X-Amz-Log-Type" not in request.headers


def test_for_programs_it_is_one_document(thaw, cluster: Cluster) -> None:
    answers(cluster, X_Thaw_Fallback="SnapshotUnusable: Corrupt")
    code, out, err = thaw("invoke", "greet", "-o", "json")
    told = json.loads(out)
    assert (code, err) == (0, "")
    assert told.pop("totalMs") > 0
    assert told == {
        "statusCode": 200,
        "executedVersion": "3",
        "start": "restore",
        "restoreMs": 142.6,
        "functionError": None,
        "fallback": "SnapshotUnusable: Corrupt",
        "log": LOG,
        "payload": "hello Bob",
    }


@pytest.mark.parametrize("how", [("-",), ("--payload-file", "-"), ("--payload-file", "event.json")])
def test_the_payload_from_elsewhere(thaw, cluster: Cluster, tmp_path: Path, how: tuple[str, ...]) -> None:
    answers(cluster)
    payload = b'{"big": "' + b"x" * 300_000 + b'"}'
    (tmp_path / "event.json").write_bytes(payload)
    assert thaw("invoke", "greet", *how, "--no-log", stdin=payload)[0] == 0
    [(request, body)] = cluster.gateway_calls
    assert body == payload
    assert "X-Amz-Log-Type" not in request.headers


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("greet", "-", "--payload", "{}"), "--payload: the payload is given twice"),
        (("greet", "--payload-file", "none.json"), "--payload-file: none.json cannot be read: No such file"),
        (("greet", "--endpoint", "thaw.example.org"), "--endpoint: thaw.example.org is no URL"),
        (("greet:a b",), "FUNCTION: 'greet:a b' is no function's name"),
    ],
)
def test_what_cannot_be_is_one_line(thaw, cluster: Cluster, arguments: tuple[str, ...], says: str) -> None:
    code, out, err = thaw("invoke", *arguments)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith(f"thaw: {says}")
    assert not cluster.gateway_calls


# ---------------------------------------------------------------- as whom


def shown(cluster: Cluster) -> tuple[str, str]:
    """The Authorization and the namespace of the last call."""
    headers = cluster.gateway_calls[-1][0].headers
    return headers.get("Authorization", ""), headers.get("X-Thaw-Namespace", "")


def test_an_access_key_of_the_namespace(thaw, cluster: Cluster) -> None:
    """Signed for the region that the gateway wants, with the key that may do most."""
    answers(cluster)
    data = {"accessKeyId": encoded("LESS"), "secretAccessKey": encoded("s"), "namespace": encoded("default")}
    labels = {"thaw.dev/access-key": "true"}
    from thaw.kube.kinds import SECRET

    cluster.add(SECRET, "a-limited", "thaw-system", labels=labels, data=data | {"actions": encoded("lambda:Get*")})
    cluster.add(SECRET, "b-others", "thaw-system", labels=labels, data=data | {"namespace": encoded("other")})
    assert thaw("invoke", "greet")[0] == 0
    authorization, namespace = shown(cluster)
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIA/")
    assert "/eu-west-1/lambda/aws4_request" in authorization
    assert "x-thaw-namespace" in authorization, "the signature covers what is meant"
    assert namespace == "default"


def test_aws_credentials_with_an_endpoint_need_no_cluster(
    thaw, cluster: Cluster, endpoint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(cluster)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAMINE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("THAW_ENDPOINT", endpoint)
    monkeypatch.setenv("KUBECONFIG", "/nowhere")
    assert thaw("invoke", "greet")[0] == 0
    authorization, namespace = shown(cluster)
    assert authorization.startswith("AWS4-HMAC-SHA256 Credential=AKIAMINE/")
    assert namespace == "", "the key's own"
    assert thaw("invoke", "greet", "-n", "shop")[0] == 0
    assert shown(cluster)[1] == "shop"


def test_the_kubeconfigs_token_goes_to_the_cluster_and_to_no_endpoint(
    thaw, cluster: Cluster, endpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers(cluster)
    server = f"http://127.0.0.1:{cluster.requests[0].url.port}" if cluster.requests else ""
    if not server:
        thaw("snapshots")
        server = f"http://127.0.0.1:{cluster.requests[0].url.port}"
    path = kubeconfig(tmp_path / "token", server, namespace="shop", token="of-the-user")
    cluster.add_key("shop")
    assert thaw("invoke", "greet", "--kubeconfig", str(path))[0] == 0
    assert shown(cluster) == ("Bearer of-the-user", "shop")
    assert thaw("invoke", "greet", "--kubeconfig", str(path), "--endpoint", endpoint)[0] == 0
    assert shown(cluster)[0].startswith("AWS4-HMAC-SHA256")


@pytest.mark.parametrize(
    ("how", "token"), [(("--token", "given"), "given"), (("--as-service-account", "ci"), "token-of-ci")]
)
def test_tokens_on_request(thaw, cluster: Cluster, endpoint: str, how: tuple[str, str], token: str) -> None:
    answers(cluster)
    for where in ((), ("--endpoint", endpoint)):
        assert thaw("invoke", "greet", *how, "-n", "shop", *where)[0] == 0
        assert shown(cluster) == (f"Bearer {token}", "shop")


def test_nothing_to_call_with(thaw, cluster: Cluster) -> None:
    cluster.forbidden = {"secrets"}
    code, _, err = thaw("invoke", "greet")
    assert code == 1
    assert err.startswith(
        "thaw: there is nothing to call the gateway with: secrets is forbidden (give --as-service-account"
    )
    cluster.forbidden = set()
    assert "no access key in thaw-system is for namespace shop" in thaw("invoke", "greet", "-n", "shop")[2]


def test_no_way_to_a_gateway(thaw, cluster: Cluster, endpoint: str) -> None:
    cluster.forbidden = {"pods"}
    assert "give its URL: --endpoint or THAW_ENDPOINT" in thaw("invoke", "greet", "--token", "t")[2]
    cluster.forbidden = set()
    cluster.add_pod("gateway", ready=False)
    assert "no gateway is ready in namespace thaw-system" in thaw("invoke", "greet", "--token", "t")[2]
    code, _, err = thaw("invoke", "greet", "--token", "t", "--endpoint", "http://127.0.0.1:1")
    assert (code, len(err.splitlines())) == (1, 1)
    assert err.startswith("thaw: the gateway at http://127.0.0.1:1 did not answer: ")
