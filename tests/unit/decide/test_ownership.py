"""Who declares a field, by managedFields as the API server writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from thaw.decide import ownership

SPEC = {"memorySize": 256, "environment": {"A": "1", "B": "2"}, "code": {"inline": {"app.py": "x"}}, "scaling": {}}
FIELDS = {
    "f:spec": {
        "f:memorySize": {},
        "f:environment": {".": {}, "f:A": {}},
        "f:code": {".": {}, "f:inline": {".": {}, "f:app.py": {}}},
    }
}


def entry(manager: str, operation: str = "Apply", **more: Any) -> dict[str, Any]:
    return {"manager": manager, "operation": operation, "fieldsV1": FIELDS, **more}


def item(*entries: dict[str, Any], **meta: Any) -> dict[str, Any]:
    return {"metadata": {"name": "fn", "managedFields": list(entries), **meta}, "spec": SPEC}


MARK = {"annotations": {"argocd.argoproj.io/tracking-id": "app:thaw.dev/Function:default/fn"}}
HELM = {"annotations": {"meta.helm.sh/release-name": "shop"}}
FLUX = {"labels": {"kustomize.toolkit.fluxcd.io/name": "shop"}}


@pytest.mark.parametrize(
    ("manager", "operation", "meta", "declares"),
    [
        ("argocd-controller", "Apply", {}, True),
        ("kubectl", "Apply", {}, True),  # kubectl apply --server-side
        ("anybody", "Apply", {}, True),
        ("thaw-gateway", "Apply", {}, False),
        ("thaw-gateway", "Update", {}, False),
        ("thaw-gateway", "Update", MARK, False),
        ("argocd-controller", "Update", {}, True),
        ("argocd-application-controller", "Update", {}, True),
        ("helm", "Update", {}, True),
        ("helm-controller", "Update", {}, True),
        ("kustomize-controller", "Update", {}, True),
        ("kubectl-client-side-apply", "Update", {}, False),
        ("kubectl-edit", "Update", {}, False),
        ("kubectl-edit", "Update", MARK, False),
        ("terraform-provider-helm", "Update", {}, False),
        ("terraform-provider-helm", "Update", HELM, True),
        ("python-requests", "Update", FLUX, True),
        ("python-requests", "Update", {}, False),
    ],
)
def test_who_declares(manager: str, operation: str, meta: dict[str, Any], declares: bool) -> None:
    found = ownership.declared_by(item(entry(manager, operation), **meta), ("spec", "memorySize"))
    assert found == (manager if declares else "")


@pytest.mark.parametrize(
    ("patch", "where"),
    [
        ({"memorySize": 512}, "spec.memorySize"),
        ({"memorySize": 256}, None),  # it says so already
        ({"memorySize": None}, "spec.memorySize"),
        ({"timeout": 9}, None),
        ({"environment": {"A": "2"}}, "spec.environment.A"),
        ({"environment": {"B": "3", "C": "4"}}, None),
        ({"environment": {"A": None}}, "spec.environment.A"),
        ({"environment": None}, "spec.environment"),
        ({"code": {"inline": None, "zip": {"sha256": "a"}}}, "spec.code.inline"),
        ({"code": {"zip": {"sha256": "a"}}}, None),
        ({"scaling": {"reservedConcurrency": 1}}, None),
        ({"scaling": {"reservedConcurrency": None}}, None),
    ],
)
def test_what_a_patch_would_change(patch: dict[str, Any], where: str | None) -> None:
    found = ownership.first_declared(item(entry("kustomize-controller")), {"spec": patch})
    assert (found and found.where) == where
    assert ownership.first_declared(item(entry("kubectl-edit", "Update")), {"spec": patch}) is None


def test_the_status_is_nobodys_declaration() -> None:
    assert ownership.declared_by(item(entry("argocd-controller", "Update", subresource="status")), ("spec",)) == ""


def test_defaults_that_a_deployer_never_wrote_are_not_its_own() -> None:
    applied = {"spec": {"environment": {"A": "1"}}}
    last = {"kubectl.kubernetes.io/last-applied-configuration": json.dumps(applied)}
    found = item(entry("argocd-controller", "Update"), annotations=last)
    assert ownership.declared_by(found, ("spec", "environment", "A")) == "argocd-controller"
    assert ownership.declared_by(found, ("spec", "memorySize")) == ""
    broken = item(entry("argocd-controller", "Update"), annotations=dict.fromkeys(last, "{"))
    assert ownership.declared_by(broken, ("spec", "memorySize")) == "argocd-controller"


@pytest.mark.parametrize(
    ("manager", "deployer"), [("kustomize-controller", "kustomize-controller"), ("kubectl", ""), ("thaw-gateway", "")]
)
def test_who_would_make_it_anew(manager: str, deployer: str) -> None:
    assert ownership.deployed_by(item(entry(manager))) == deployer
    assert ownership.deployed_by(item(entry("kubectl"), entry(manager))) == deployer


def test_when_a_field_was_written() -> None:
    first, second = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    found = item(entry("a", time=first), entry("b", time=second), entry("c"))
    assert ownership.written(found, ("spec", "memorySize")) == second
    assert ownership.written(found, ("spec", "timeout")) == ""
