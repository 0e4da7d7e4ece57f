"""Built manifests against golden files; ``THAW_GOLDEN=write pytest tests/unit/build`` writes them anew."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from thaw import names
from thaw.api.v1alpha1 import FrozenTemplate, SecretMount
from thaw.build import common, objects
from thaw.build.init_pod import init_pod
from thaw.build.instance_pod import instance_pod
from thaw.settings import Settings

GOLDEN = Path(__file__).resolve().parents[2] / "data" / "build"
SETTINGS = Settings(region="eu-central-1")
PYTHON = FrozenTemplate.model_validate(
    {
        "spec": {
            "runtime": "python3.13",
            "handler": "app.handler",
            "code": {"inline": {"app.py": "x"}},
            "memorySize": 256,
            "environment": {"LOG_LEVEL": "info"},
            "snapStart": {"applyOn": "PublishedVersions"},
        },
        "image": "thaw.dev/runtime-python3.13:dev",
    }
)
HTTP = FrozenTemplate.model_validate(
    {
        "spec": {
            "protocol": "http",
            "http": {"port": 9000, "readyPath": "/ready"},
            "code": {"image": "r/app@sha256:0"},
            "memorySize": 512,
            "ephemeralStorage": 1024,
            "serviceAccountName": "web",
        },
        "image": "r/app@sha256:0",
    }
)
CONFIDENTIAL = PYTHON.model_copy(
    update={
        "spec": PYTHON.spec.model_copy(
            update={
                "role": "uploader",
                "secrets": (
                    SecretMount(secret_name="db", mount_path="/etc/secrets/db"),
                    SecretMount(secret_name="ca", mount_path="/etc/ssl/ours", optional=True),
                ),
            }
        )
    }
)
OWNER = common.owner_reference("FunctionVersion", "hello-1", "v-uid")
LATEST_OWNER = common.owner_reference("Function", "hello", "f-uid")


def an_init_pod(template: FrozenTemplate = PYTHON) -> dict[str, Any]:
    return init_pod(
        name="hello-1-s1-init-1",
        template=template,
        function="hello",
        namespace="default",
        qualifier="1",
        version_name="hello-1",
        owner=OWNER,
        snapshot_uid="s-uid",
        generation=1,
        settings=SETTINGS,
    )


def an_instance(template: FrozenTemplate = PYTHON, **changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "template": template,
        "function": "hello",
        "namespace": "default",
        "qualifier": "1",
        "version_name": "hello-1",
        "owner": OWNER,
        "gateway": "thaw-gateway-0",
        "template_hash": "0123456789abcdef",
        "snapshot_uid": "s-uid",
        "snap_start": True,
        "node_hint": "n1",
        "settings": SETTINGS,
    }
    return instance_pod(**(whole | changes))


LATEST = {
    "qualifier": names.LATEST,
    "version_name": "",
    "owner": LATEST_OWNER,
    "snapshot_uid": None,
    "snap_start": False,
    "node_hint": "",
}

BUILT = {
    "init-python": an_init_pod(),
    "init-http": an_init_pod(HTTP),
    "init-confidential": an_init_pod(CONFIDENTIAL),
    "instance-python": an_instance(),
    "instance-confidential": an_instance(CONFIDENTIAL),
    "instance-latest": an_instance(**LATEST),
    "instance-http": an_instance(HTTP),
    "revision": objects.revision(
        function="hello", namespace="default", version_name="hello-1", version=1, template=PYTHON, owner=OWNER
    ),
    "snapshot": objects.snapshot(
        name="hello-1-s1",
        function="hello",
        namespace="default",
        version_name="hello-1",
        version="1",
        image="i",
        owner=OWNER,
    ),
    "version": objects.version(name="hello-2", namespace="default", function="hello", owner=LATEST_OWNER),
    "alias": objects.alias(
        name="", namespace="default", function="hello", alias="live", version="1", owner=LATEST_OWNER
    ),
}


@pytest.mark.parametrize("name", BUILT)
def test_golden(name: str) -> None:
    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("THAW_GOLDEN") == "write":
        path.write_text(yaml.safe_dump(BUILT[name], sort_keys=True))
    assert BUILT[name] == yaml.safe_load(path.read_text())


@pytest.mark.parametrize("template", [PYTHON, HTTP, CONFIDENTIAL], ids=["python", "http", "confidential"])
def test_a_snapshot_finds_the_container_it_was_taken_of(template: FrozenTemplate) -> None:
    """The restored process keeps the init pod's environment and needs its mounts: both pods have the same container."""
    assert an_init_pod(template)["spec"]["containers"] == an_instance(template)["spec"]["containers"]


@pytest.mark.parametrize("name", [n for n in BUILT if n.startswith("in") and "confidential" not in n])
def test_nothing_that_would_spoil_a_dump(name: str) -> None:
    spec = BUILT[name]["spec"]
    (container,) = spec["containers"]
    assert not [key for key in container if key.endswith("Probe")], "a probe's connection would be in the dump"
    assert "volumes" not in spec
    assert "volumeMounts" not in container
    assert spec["automountServiceAccountToken"] is False
    assert "seccompProfile" not in str(spec)


def environment(pod: dict[str, Any]) -> dict[str, str]:
    """As the kubelet gives it to the process."""
    return {e["name"]: e["value"].replace("$$", "$") for e in pod["spec"]["containers"][0]["env"]}


def test_a_runtime_hears_of_another_log_format_than_lambdas_first() -> None:
    json_logs = PYTHON.model_copy(update={"spec": PYTHON.spec.model_copy(update={"log_format": "JSON"})})
    assert environment(an_init_pod(json_logs))["AWS_LAMBDA_LOG_FORMAT"] == "JSON"
    assert "AWS_LAMBDA_LOG_FORMAT" not in environment(an_init_pod())


def test_latest_is_on_demand_and_a_cold_start_of_a_version_is_not() -> None:
    assert environment(an_instance(**LATEST))["AWS_LAMBDA_INITIALIZATION_TYPE"] == "on-demand"
    cold = an_instance(snapshot_uid=None)
    assert environment(cold)["AWS_LAMBDA_INITIALIZATION_TYPE"] == "snap-start"
    assert names.LABEL_SNAPSHOT not in cold["metadata"]["labels"]


def test_a_user_s_variable_does_not_replace_ours() -> None:
    spec = PYTHON.spec.model_copy(update={"environment": {"TZ": "Europe/Paris", "A": "1"}})
    found = environment(an_init_pod(PYTHON.model_copy(update={"spec": spec})))
    assert (found["TZ"], found["A"]) == (":UTC", "1")


def test_the_kubelet_expands_nothing() -> None:
    spec = PYTHON.spec.model_copy(update={"environment": {"A": "$(TZ) costs $5"}})
    (container,) = an_init_pod(PYTHON.model_copy(update={"spec": spec}))["spec"]["containers"]
    assert {"name": "A", "value": "$$(TZ) costs $$5"} in container["env"]


@pytest.mark.parametrize(
    ("alias", "name"),
    [("live", "f-live"), ("Live", "f-live-1c2a81e5"), ("a_b", "f-a-b-"), ("-x", "f-x-")],
)
def test_alias_objects_have_names_of_their_own(alias: str, name: str) -> None:
    assert objects.alias_object("f", alias).startswith(name[:6])
    others = {"live", "Live", "LIVE", "a_b", "a-b", "-x", "x"} - {alias}
    assert objects.alias_object("f", alias) not in {objects.alias_object("f", other) for other in others}
