"""The models: what they accept, what they write, and that Python and the CRD agree."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from thaw.api import v1alpha1 as api

SHA = "0123456789abcdef" * 4
INLINE = {"runtime": "python3.13", "handler": "app.handler", "code": {"inline": {"app.py": "x"}}}


def test_an_object_of_the_api_is_read() -> None:
    function = api.Function.model_validate(
        {
            "apiVersion": "thaw.dev/v1alpha1",
            "kind": "Function",
            "metadata": {"name": "hello", "namespace": "default", "uid": "u", "generation": 2, "managedFields": []},
            "spec": {**INLINE, "snapStart": {"applyOn": "PublishedVersions"}, "unknownField": 1},
        }
    )
    assert function.metadata.generation == 2
    assert function.spec.snap_start.apply_on == "PublishedVersions"
    assert function.spec.scaling.max_instances == 10
    assert function.status.state is None


def test_json_is_camel_case_and_leaves_out_what_is_unset() -> None:
    spec = api.FunctionSpec.model_validate(INLINE).to_json()
    assert spec["snapStart"] == {"applyOn": "None"}
    assert "image" not in spec["code"]
    assert api.FunctionSpec.model_validate(spec).to_json() == spec


def test_models_are_immutable() -> None:
    with pytest.raises(ValidationError):
        api.SnapStart().apply_on = "PublishedVersions"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timeout", 901),
        ("memorySize", 16),
        ("protocol", "grpc"),
        ("code", {"zip": {"sha256": "abc"}}),
        ("snapStart", {"applyOn": "Always"}),
        ("autoPublishAlias", "12"),
        ("runtime", "Python"),
        ("handler", "a b"),
    ],
)
def test_what_one_field_can_tell_is_refused_in_python_too(field: str, value: Any) -> None:
    with pytest.raises(ValidationError, match=field):
        api.FunctionSpec.model_validate({**INLINE, field: value})


@pytest.mark.parametrize(
    ("name", "good"),
    [("live", True), ("2nd", True), ("a-b_C", True), ("12", False), ("", False), ("a.b", False), ("a" * 129, False)],
)
def test_alias_names(name: str, good: bool) -> None:
    body = {"functionName": "f", "name": name, "functionVersion": "1"}
    if good:
        assert api.FunctionAliasSpec.model_validate(body).name == name
    else:
        with pytest.raises(ValidationError):
            api.FunctionAliasSpec.model_validate(body)


@pytest.mark.parametrize("name", ["../../other/functions/f", "..", "a,b=c", "a.b", "a\n"])
def test_a_functions_name_is_neither_a_path_nor_a_selector(name: str) -> None:
    """The operator reads what a version names with rights that its author does not have."""
    with pytest.raises(ValidationError):
        api.FunctionVersionSpec(function_name=name)
    with pytest.raises(ValidationError):
        api.FunctionAliasSpec(function_name=name, name="live", function_version="1")


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (2048, "2 KiB"),
        (79 * 2**20, "79 MiB"),
        (int(1.25 * 2**30), "1.2 GiB"),
        (5000 * 2**30, "5000.0 GiB"),
    ],
)
def test_sizes_for_people(count: int, shown: str) -> None:
    assert api.FunctionVersionStatus(snapshot_bytes=count).to_json()["snapshotSize"] == shown
    assert api.SnapshotStatus(size_bytes=count).to_json()["size"] == shown


@pytest.mark.parametrize(("ms", "shown"), [(0.4, "0ms"), (143.2, "143ms"), (999.4, "999ms"), (2130.4, "2.1s")])
def test_durations_for_people(ms: float, shown: str) -> None:
    assert api.FunctionVersionStatus(last_restore_ms=ms).to_json()["lastRestore"] == shown


def test_what_is_for_people_is_computed_never_read() -> None:
    status = api.FunctionVersionStatus.model_validate({"snapshotBytes": 2048, "snapshotSize": "lies"})
    assert status.snapshot_size == "2 KiB"
    assert "snapshotSize" not in api.FunctionVersionStatus().to_json()


def test_times_are_written_as_the_api_server_wants_them() -> None:
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert api.FunctionVersionStatus(last_invoked_time=at).to_json()["lastInvokedTime"] == "2026-01-02T03:04:05Z"


def test_plurals_cover_the_resources() -> None:
    assert api.PLURALS == {
        "Function": "functions",
        "FunctionVersion": "functionversions",
        "FunctionAlias": "functionaliases",
        "Snapshot": "snapshots",
        "EventInvocation": "eventinvocations",
    }
