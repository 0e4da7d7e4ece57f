"""Volumes and grants of what must never be in a snapshot."""

from __future__ import annotations

from typing import Any

import pytest

from thaw.api.v1alpha1 import FunctionSpec
from thaw.build import secrets
from thaw.settings import Settings

ARN = "arn:aws:iam::123456789012:role/reader"
STS = Settings(sts_endpoint="https://sts.example", sts_audience="aud", sts_ca_bundle="PEM")
NO_STS = Settings(sts_endpoint="")
DB = {"secretName": "db", "mountPath": "/etc/secrets/db"}
CA = {"secretName": "ca", "mountPath": "/etc/ssl/ours", "optional": True}


def spec(**more: Any) -> FunctionSpec:
    return FunctionSpec.model_validate({"runtime": "python3.13", "handler": "a.b", "code": {"image": "i"}} | more)


def http(**more: Any) -> FunctionSpec:
    return FunctionSpec.model_validate({"protocol": "http", "code": {"image": "i"}} | more)


EVERY = pytest.mark.parametrize(
    "function",
    [spec(), spec(role=ARN), spec(role="keys"), spec(role="keys", secrets=[DB, CA]), http(secrets=[DB])],
    ids=["nothing", "arn", "secret", "role and secrets", "http"],
)


@EVERY
@pytest.mark.parametrize("settings", [STS, NO_STS], ids=["sts", "no sts"])
def test_an_init_pod_has_the_places_and_nothing_in_them(function: FunctionSpec, settings: Settings) -> None:
    """The same mounts for both pods; in the init pod an empty folder in each."""
    mounted = [mount["name"] for mount in secrets.mounts(function, settings)]
    assert all(mount["readOnly"] for mount in secrets.mounts(function, settings))
    placeholders = secrets.placeholders(function, settings)
    assert placeholders == [{"name": name, "emptyDir": {"medium": "Memory"}} for name in mounted]
    assert [volume["name"] for volume in secrets.volumes(function, settings)] == mounted


@EVERY
def test_the_kubelet_never_waits_for_a_secret(function: FunctionSpec) -> None:
    for volume in secrets.volumes(function, STS):
        assert volume.get("secret", {"optional": True})["optional"] is True


def test_a_role_s_secret_is_mounted_by_its_four_keys() -> None:
    (volume,) = secrets.volumes(spec(role="keys"), STS)
    assert volume["secret"]["secretName"] == "keys"
    keys = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "expiration"]
    assert volume["secret"]["items"] == [{"key": key, "path": key} for key in keys]


def test_a_role_s_arn_brings_a_token_for_sts_alone() -> None:
    (volume,) = secrets.volumes(spec(role=ARN), STS)
    (source,) = volume["projected"]["sources"]
    assert source == {"serviceAccountToken": {"path": "token", "audience": "aud", "expirationSeconds": 3600}}


@pytest.mark.parametrize("function", [spec(), spec(role=ARN), http()], ids=["nothing", "arn", "http"])
def test_who_needs_nothing_has_no_volume(function: FunctionSpec) -> None:
    """The Lambda API asks everybody for a role: without an STS it must cost nothing."""
    assert secrets.volumes(function, NO_STS) == secrets.mounts(function, NO_STS) == []


def test_where_credentials_come_from() -> None:
    assert secrets.credentials(spec(), "p", STS).source == "none"
    keys = secrets.credentials(spec(role="keys"), "p", STS)
    assert (keys.source, keys.secret_name) == ("secret", "keys")
    role = secrets.credentials(spec(role=ARN), "hello-1-abcde", STS)
    assert (role.source, role.role_arn, role.session_name) == ("sts", ARN, "hello-1-abcde")
    assert (role.sts_endpoint, role.sts_ca_bundle) == ("https://sts.example", "PEM")
    assert secrets.credentials(spec(role=ARN), "p", NO_STS).sts_endpoint == ""


@pytest.mark.parametrize("role", ["keys", ARN])
def test_before_the_snapshot_nothing_is_told(role: str) -> None:
    told = secrets.before_snapshot(spec(role=role))
    assert told.model_dump(exclude_defaults=True) == {"source": "later"}
    assert secrets.before_snapshot(spec()).source == "none"


def test_only_what_is_not_optional_is_needed() -> None:
    (needed,) = secrets.needed(spec(secrets=[DB, CA]))
    assert (needed.secret_name, needed.mount_path) == ("db", "/etc/secrets/db")
