"""The CRDs on a real API server: what it accepts, what it fills in, what it refuses and in which words."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from integration.apiserver import Kubectl
from thaw.api.v1alpha1 import FunctionVersionStatus, VersionSnapStart

pytestmark = pytest.mark.integration

Object = dict[str, Any]
ROOT = Path(__file__).resolve().parents[2]
SHA = "0123456789abcdef" * 4
API = "thaw.dev/v1alpha1"
MINIO = "arn:minio:iam:::role/dGhhd19yb2xl"


@pytest.fixture(scope="module", autouse=True)
def _nothing_left(crds: Kubectl) -> Iterator[None]:
    """Objects left behind would be reconciled by the operator that later tests run."""
    yield
    crds("delete", "fn,fnv,fna,snap,fei", "--all", "--all-namespaces", "--wait=false")


def function(name: str = "hello", **spec: Any) -> Object:
    """A good inline function; None removes a field."""
    whole: Object = {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": "x"}}} | spec
    return {
        "apiVersion": API,
        "kind": "Function",
        "metadata": {"name": name},
        "spec": {key: value for key, value in whole.items() if value is not None},
    }


def secret(path: str, name: str = "s") -> Object:
    """A mounted Secret."""
    return {"secretName": name, "mountPath": path}


def image(**spec: Any) -> Object:
    """A good function of an image."""
    return function(**{"runtime": None, "handler": None, "code": {"image": "r/app@sha256:" + SHA}, **spec})


def version(**spec: Any) -> Object:
    """A good version."""
    return {
        "apiVersion": API,
        "kind": "FunctionVersion",
        "metadata": {"name": "hello-1"},
        "spec": {"functionName": "hello", **spec},
    }


def alias(**spec: Any) -> Object:
    """A good alias."""
    return {
        "apiVersion": API,
        "kind": "FunctionAlias",
        "metadata": {"name": "hello-live"},
        "spec": {"functionName": "hello", "name": "live", "functionVersion": "1", **spec},
    }


def snapshot(**spec: Any) -> Object:
    """A good snapshot."""
    return {
        "apiVersion": API,
        "kind": "Snapshot",
        "metadata": {"name": "hello-1-s1"},
        "spec": {"functionName": "hello", "versionName": "hello-1", "version": "1", **spec},
    }


def event(payload: str = "e30=", **spec: Any) -> Object:
    """A good event, as a gateway makes it."""
    return {
        "apiVersion": API,
        "kind": "EventInvocation",
        "metadata": {"name": "e-1", "labels": {"thaw.dev/gateway": "gw-1"}},
        "spec": {
            "functionName": "hello",
            "requestId": "e-1",
            "acceptedAt": "2026-01-01T00:00:00.5Z",
            "payload": payload,
            **spec,
        },
        "status": {"state": "Accepted", "attempts": 0},
    }


def create(kubectl: Kubectl, namespace: str, thing: Object) -> Object:
    """Creates it and returns what the server made of it."""
    made: Object = json.loads(kubectl("create", "-n", namespace, "-o", "json", "-f", "-", stdin=thing))
    return made


def set_status(kubectl: Kubectl, namespace: str, kind: str, name: str, status: Object) -> None:
    patch = json.dumps({"status": status})
    kubectl("patch", kind, name, "-n", namespace, "--subresource=status", "--type=merge", "-p", patch)


def test_the_crds_are_established_and_without_complaints(crds: Kubectl) -> None:
    for file in sorted((ROOT / "crds").iterdir()):
        name = yaml.safe_load(file.read_text())["metadata"]["name"]
        status = json.loads(crds("get", "crd", name, "-o", "json"))["status"]
        conditions = {c["type"]: c["status"] for c in status["conditions"]}
        assert conditions["Established"] == "True"
        assert conditions["NamesAccepted"] == "True"
        assert "NonStructuralSchema" not in conditions


def test_short_names_and_the_category(crds: Kubectl) -> None:
    rows = crds("api-resources", "--api-group=thaw.dev", "--no-headers", "-o", "wide").splitlines()
    shorts = {row.split()[0]: row.split()[1] for row in rows}
    assert shorts == {
        "functions": "fn",
        "functionversions": "fnv",
        "functionaliases": "fna",
        "snapshots": "snap",
        "eventinvocations": "fei",
    }
    assert all(row.split()[3] == "true" and row.rstrip().endswith("thaw") for row in rows)


def test_defaults_are_filled_in(crds: Kubectl, namespace: str) -> None:
    spec = create(crds, namespace, function())["spec"]
    assert spec["snapStart"] == {"applyOn": "None"}
    assert spec["scaling"] == {
        "minInstances": 0,
        "maxInstances": 10,
        "concurrency": 1,
        "slots": 1,
        "standby": 0,
        "idleSeconds": 60,
    }
    assert (spec["memorySize"], spec["timeout"], spec["ephemeralStorage"]) == (256, 3, 512)
    assert (spec["protocol"], spec["serviceAccountName"]) == ("lambda", "default")
    assert "description" not in spec, "an empty default is noise in everybody's YAML"


def test_defaults_fill_in_what_is_half_written(crds: Kubectl, namespace: str) -> None:
    spec = create(crds, namespace, image(protocol="http", http={"port": 3000}, scaling={"maxInstances": 2}))["spec"]
    assert spec["http"] == {"port": 3000, "readyPath": "/"}
    assert spec["scaling"]["maxInstances"] == 2
    assert spec["scaling"]["idleSeconds"] == 60


@pytest.mark.parametrize(
    "thing",
    [
        function(code={"zip": {"sha256": SHA, "size": 3}}),
        function(code={"inline": {"app.py": "x", "lib/util.py": "y", "data_1.json": "{}"}}),
        function(environment={"LOG_LEVEL": "info", "AWS_LAMBDAX": "1", "a1_B": ""}),
        function(autoPublishAlias="live", snapStart={"applyOn": "PublishedVersions"}, timeout=900),
        function(runtime="java21", handler="com.example.App::handleRequest"),
        function("f" * 63),
        image(),
        image(protocol="http", http={"afterRestorePath": "/wake"}, scaling={"concurrency": 80}),
        *[function(role=role) for role in (MINIO, "arn:aws:iam::123456789012:role/team/reader", "uploader.keys", "")],
        function(secrets=[secret(f"/etc/secrets/s{i}") for i in range(16)]),
        image(protocol="http", secrets=[secret("/home/app/.aws") | {"optional": True}]),
        version(description="first", codeSha256="47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        alias(additionalVersionWeights={"2": 0.1}),
        alias(name="2nd"),
        alias(functionVersion="$LATEST"),
        snapshot(),
    ],
    ids=lambda thing: thing["kind"],
)
def test_good_objects_are_accepted(crds: Kubectl, namespace: str, thing: Object) -> None:
    create(crds, namespace, thing)


BAD: list[tuple[str, Object, str]] = [
    ("two codes", function(code={"inline": {"a.py": "x"}, "image": "i"}), "exactly one of inline, zip and image"),
    ("no code in code", function(code={}), "exactly one of inline, zip and image"),
    ("no code", function(code=None), "spec.code: Required value"),
    ("sha too short", function(code={"zip": {"sha256": "abc"}}), "must be a SHA-256: 64 hexadecimal digits"),
    ("sha in capitals", function(code={"zip": {"sha256": SHA.upper()}}), "must be a SHA-256: 64 hexadecimal digits"),
    ("zip without sha", function(code={"zip": {}}), "spec.code.zip.sha256: Required value"),
    ("no files", function(code={"inline": {}}), "spec.code.inline in body should have at least 1 properties"),
    ("file outside", function(code={"inline": {"../x.py": ""}}), "../x.py: a file name is relative, without .."),
    ("absolute file", function(code={"inline": {"/etc/x": ""}}), "/etc/x: a file name is relative"),
    ("image with spaces", image(code={"image": "my app"}), "must be an image, without spaces"),
    ("timeout 901", function(timeout=901), "spec.timeout in body should be less than or equal to 900"),
    ("timeout 0", function(timeout=0), "spec.timeout in body should be greater than or equal to 1"),
    ("timeout in words", function(timeout="3s"), 'spec.timeout in body must be of type integer: "string"'),
    ("memory 16", function(memorySize=16), "spec.memorySize in body should be greater than or equal to 32"),
    ("http without image", function(protocol="http"), "protocol http needs code.image"),
    ("http block for lambda", image(http={"port": 80}), "http is only for protocol: http"),
    ("other protocol", function(protocol="grpc"), 'supported values: "lambda", "http"'),
    ("ready path", image(protocol="http", http={"readyPath": "ready"}), "must be a path that begins with /"),
    ("runtime with image", image(runtime="python3.13"), "runtime must be absent with code.image"),
    ("no runtime", function(runtime=None), "runtime is required unless code.image is given: e.g. runtime: python3.13"),
    ("runtime in capitals", function(runtime="Python"), "must be a runtime's name, e.g. python3.13"),
    ("no handler", function(handler=None), "handler is required unless code.image is given: e.g. handler: app.handler"),
    ("empty handler", function(handler=""), "handler is required unless code.image is given"),
    ("handler with a space", function(handler="app handler"), "must not contain spaces: e.g. app.handler"),
    ("reserved name", function(environment={"AWS_REGION": "x"}), "AWS_REGION: reserved for the Lambda runtime"),
    ("reserved prefix", function(environment={"AWS_LAMBDA_X": "x"}), "AWS_LAMBDA_X: reserved for the Lambda runtime"),
    ("keys", function(environment={"AWS_SESSION_TOKEN": "x"}), "AWS_SESSION_TOKEN: credentials come from role"),
    ("endpoint", function(environment={"AWS_CONTAINER_CREDENTIALS_FULL_URI": "x"}), "credentials come from role"),
    ("role of no kind", function(role="My Role"), "must be a role's ARN (arn:aws:iam::123456789012:role/name)"),
    ("user's ARN", function(role="arn:aws:iam::123456789012:user/bob"), "must be a role's ARN"),
    ("role for http", image(protocol="http", role="keys"), "mount a Secret with secrets instead"),
    ("no Secret", function(secrets=[{"mountPath": "/etc/x"}]), "secretName: Required value"),
    ("a Secret's name", function(secrets=[secret("/etc/x", "DB")]), "must be the name of a Secret"),
    ("relative mount", function(secrets=[secret("etc/x")]), "must be an absolute path"),
    ("mount upwards", function(secrets=[secret("/etc/../x")]), "must be an absolute path"),
    ("mount with a slash", function(secrets=[secret("/etc/x/")]), "without a slash at its end"),
    ("mount over the code", function(secrets=[secret("/var/task/x")]), "and none of the system's"),
    ("mount over ours", function(secrets=[secret("/.thaw/credentials")]), "and none of the system's"),
    ("mount over /etc", function(secrets=[secret("/etc")]), "must be a folder of the Secret's own"),
    ("one in another", function(secrets=[secret("/a/b"), secret("/a/b/c")]), "no mountPath may be inside another one"),
    ("one mount twice", function(secrets=[secret("/a/b"), secret("/a/b", "t")]), "Duplicate value"),
    ("17 Secrets", function(secrets=[secret(f"/s/{i}") for i in range(17)]), "must have at most 16 items"),
    ("name with a dash", function(environment={"MY-VAR": "x"}), "MY-VAR: a name begins with a letter"),
    ("min over max", function(scaling={"minInstances": 11}), "minInstances must not be greater than maxInstances"),
    ("lambda at once", function(scaling={"concurrency": 2}), "scaling.concurrency must be 1 for protocol lambda"),
    ("applyOn", function(snapStart={"applyOn": "Always"}), 'supported values: "PublishedVersions", "None"'),
    ("auto alias digits", function(autoPublishAlias="12"), "must be an alias: not digits alone"),
    ("long name", function("f" * 64), "metadata.name has at most 63 characters"),
    ("name with a dot", function("a.b"), "metadata.name of a function holds no dots"),
    ("version of nothing", version(functionName=""), "spec.functionName in body should be at least 1 chars long"),
    ("version of a path", version(functionName="../../o/functions/f"), "must be a Function's name: lower-case letters"),
    ("alias of a selector", alias(functionName="a,b=c"), "must be a Function's name: lower-case letters"),
    ("alias digits", alias(name="12"), "digits alone: those are a version's number"),
    (
        "alias of $LATEST with weights",
        alias(functionVersion="$LATEST", additionalVersionWeights={"1": 0.1}),
        "additionalVersionWeights need a published version in functionVersion, not $LATEST",
    ),
    (
        "alias of one version twice",
        alias(additionalVersionWeights={"1": 0.1}),
        "additionalVersionWeights must name another version than functionVersion",
    ),
    ("alias to a word", alias(functionVersion="latest"), "must be a version's number, in quotation marks: e.g. '3'"),
    ("alias to a number", alias(functionVersion=1), 'spec.functionVersion in body must be of type string: "integer"'),
    ("weight over 1", alias(additionalVersionWeights={"2": 10}), "should be less than or equal to 1"),
    ("weight of a word", alias(additionalVersionWeights={"x": 0.1}), "x: must be a version's number"),
    ("two weights", alias(additionalVersionWeights={"2": 0.1, "3": 0.1}), "must have at most 1 item"),
]


@pytest.mark.parametrize(("thing", "message"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_objects_are_refused_in_words(crds: Kubectl, namespace: str, thing: Object, message: str) -> None:
    done = crds.run("create", "-n", namespace, "-f", "-", stdin=thing, check=False)
    assert done.returncode != 0, "the server accepted it"
    assert message in done.stderr


def test_an_unknown_field_is_named(crds: Kubectl, namespace: str) -> None:
    done = crds.run("create", "-n", namespace, "-f", "-", stdin=function(snapstart={"applyOn": "None"}), check=False)
    assert done.returncode != 0
    assert 'unknown field "spec.snapstart"' in done.stderr


@pytest.mark.parametrize(
    ("thing", "change", "message"),
    [
        (version(), {"functionName": "other"}, "a published version never changes: publish another one"),
        (version(), {"description": "new"}, "a published version never changes: publish another one"),
        (alias(), {"functionName": "other"}, "an alias stays with its function: make another alias"),
        (alias(), {"name": "prod"}, "an alias is not renamed"),
        (snapshot(), {"version": "2"}, "a snapshot never changes: a recycle makes the next one"),
        (event(), {"payload": "e30K"}, "an accepted event never changes: invoke the function again"),
    ],
)
def test_what_never_changes(crds: Kubectl, namespace: str, thing: Object, change: Object, message: str) -> None:
    create(crds, namespace, thing)
    changed = copy.deepcopy(thing)
    changed["spec"] |= change
    done = crds.run("apply", "-n", namespace, "-f", "-", stdin=changed, check=False)
    assert done.returncode != 0
    assert message in done.stderr


def test_an_alias_moves_and_a_version_takes_metadata(crds: Kubectl, namespace: str) -> None:
    create(crds, namespace, alias())
    crds("patch", "fna", "hello-live", "-n", namespace, "--type=merge", "-p", '{"spec":{"functionVersion":"2"}}')
    create(crds, namespace, version())
    crds("label", "fnv", "hello-1", "-n", namespace, "team=a")
    set_status(crds, namespace, "fnv", "hello-1", {"state": "Active"})


def test_status_is_a_subresource(crds: Kubectl, namespace: str) -> None:
    made = create(crds, namespace, {**function(), "status": {"state": "Active"}})
    assert "status" not in made
    patch = '{"status":{"state":"Sleeping"}}'
    done = crds.run(
        "patch", "fn", "hello", "-n", namespace, "--subresource=status", "--type=merge", "-p", patch, check=False
    )
    assert 'supported values: "Pending", "Active", "Inactive", "Failed"' in done.stderr


def test_explain_gives_the_guidance(crds: Kubectl) -> None:
    text = " ".join(crds("explain", "fn.spec.snapStart").split())
    assert "Snapshot each published version once it is initialised" in text
    assert "$LATEST never uses a snapshot" in text
    assert "(random seeds, connections, credentials" in text
    assert "enum: PublishedVersions, None" in text
    assert "exactly one of inline, zip and image" in crds("explain", "fn.spec.code")
    assert "do not put secrets here" in " ".join(crds("explain", "fn.spec.environment").split())


@pytest.mark.parametrize("kind", ["fn", "fnv", "fna", "snap", "fei"])
def test_explain_leaves_nothing_unexplained(crds: Kubectl, kind: str) -> None:
    assert "<empty>" not in crds("explain", kind)
    assert "<no description>" not in crds("explain", kind, "--recursive")


def test_the_table_of_versions(crds: Kubectl, namespace: str) -> None:
    create(crds, namespace, version())
    status = FunctionVersionStatus(
        version="1",
        state="Active",
        state_reason="The snapshot is stored and verified.",
        snap_start=VersionSnapStart(apply_on="PublishedVersions", optimization_status="On"),
        snapshot_ref="hello-1-s1",
        snapshot_bytes=79 * 2**20,
        init_duration_ms=2130.4,
        last_restore_ms=143.2,
    )
    set_status(crds, namespace, "fnv", "hello-1", status.to_json())
    header, row = crds("get", "fnv", "-n", namespace).splitlines()
    assert header.split() == ["NAME", "FUNCTION", "VERSION", "STATE", "OPTIMIZATION", "SIZE", "INIT", "RESTORE", "AGE"]
    assert row.split()[:9] == ["hello-1", "hello", "1", "Active", "On", "79", "MiB", "2.1s", "143ms"]
    header, row = crds("get", "fnv", "-n", namespace, "-o", "wide").splitlines()
    assert header.split()[9:] == ["REASON", "READY", "SLOTS", "LAST", "INVOKED", "SNAPSHOT", "MESSAGE"]
    assert row.endswith("hello-1-s1   The snapshot is stored and verified.")


def test_the_other_tables(crds: Kubectl, namespace: str) -> None:
    for thing in (function(), alias(additionalVersionWeights={"2": 0.1}), snapshot()):
        create(crds, namespace, thing)
    set_status(
        crds, namespace, "snap", "hello-1-s1", {"phase": "Ready", "size": "79 MiB", "stored": "12 MiB", "node": "n1"}
    )
    assert crds("get", "fn", "-n", namespace).splitlines()[1].split()[:3] == ["hello", "python3.13", "None"]
    assert crds("get", "fna", "-n", namespace).splitlines()[1].split()[:4] == ["hello-live", "hello", "live", "1"]
    assert '{"2":0.1}' in crds("get", "fna", "-n", namespace, "-o", "wide")
    assert "Ready   79 MiB   12 MiB   n1" in crds("get", "snap", "-n", namespace)


def test_the_table_of_events(crds: Kubectl, namespace: str) -> None:
    """An event's status comes with its creation: that it was accepted is one write."""
    create(crds, namespace, event(qualifier="live"))
    changed = {"state": "Retrying", "attempts": 1, "nextAttemptAt": "2026-01-01T00:01:00Z", "lastError": "no database"}
    assert crds("get", "fei", "-n", namespace).splitlines()[1].split()[:5] == ["e-1", "hello", "live", "Accepted", "0"]
    patch = json.dumps({"status": changed})
    crds("patch", "fei", "e-1", "-n", namespace, "--type=merge", "-p", patch)
    header, row = crds("get", "fei", "-n", namespace, "-o", "wide").splitlines()
    names = ["NAME", "FUNCTION", "QUALIFIER", "STATE", "ATTEMPTS", "NEXT", "TRY", "AGE", "ERROR", "URL", "GATEWAY"]
    assert header.split() == names
    assert row.split()[:6] == ["e-1", "hello", "live", "Retrying", "1", "2026-01-01T00:01:00Z"]
    assert "no database" in row
    assert row.endswith("gw-1")


def test_versions_are_selected_by_field(crds: Kubectl, namespace: str) -> None:
    create(crds, namespace, version())
    assert "hello-1" in crds("get", "fnv", "-n", namespace, "--field-selector=spec.functionName=hello")
    assert crds("get", "fnv", "-n", namespace, "--field-selector=spec.functionName=other") == ""


def test_conditions_are_merged_by_type(crds: Kubectl, namespace: str) -> None:
    create(crds, namespace, function())
    for type_ in ("Ready", "Reconciling"):
        condition = {"type": type_, "status": "True", "reason": "Why", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        body = {**function(), "status": {"conditions": [condition]}}
        del body["spec"]
        manager = f"--field-manager={type_}"
        crds("apply", "-n", namespace, "--server-side", "--subresource=status", manager, "-f", "-", stdin=body)
    conditions = json.loads(crds("get", "fn", "hello", "-n", namespace, "-o", "json"))["status"]["conditions"]
    assert {c["type"] for c in conditions} == {"Ready", "Reconciling"}
