"""Renders the chart with the real helm, for the tests that look at what comes out."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[1]
CHART = ROOT / "charts" / "thaw"
NAMESPACE = "thaw-system"
EVERYTHING = (
    "--set=store.url=s3://bucket/thaw,store.credentialsSecret=s3,imagePullSecrets={pull}",
    "--set=gateway.service.type=NodePort,gateway.service.nodePort=30080,gateway.replicas=3,gateway.httpAuth=signed",
    "--set=accessKeys[0].name=ci,accessKeys[0].accessKeyId=AKIACI,accessKeys[0].secretAccessKey=0123456789abcdef0123",
    "--set=accessKeys[0].namespace=team-a,agent.affinity.nodeAffinity=null",
    "--set=accessKeys[0].actions={lambda:InvokeFunction,lambda:Get*},accessKeys[0].functions={web-*}",
    "--set=accessKeys[0].requestsPerSecond=2000000,accessKeys[0].burst=3000000",
    "--set=accessKeys[0].expires=2030-01-31T12:00:00Z,gateway.trustedProxies={10.0.0.0/8}",
    "--set=aws.stsEndpoint=https://sts.example,aws.stsAudience=minio",
    "--set=operator.priorityClassName=high,gateway.tolerations[0].operator=Exists",
    r"--set-string=podAnnotations.thaw\.dev/image=x,podLabels.team=a,gateway.podAnnotations.a=b",
)
"""Every switch that a plain cluster can take, the other way (PodMonitor needs the Prometheus operator's CRD)."""
NOTHING = (
    "--set=crds.enabled=false,rbac.aggregate=false,admissionPolicy.enabled=false,networkPolicy.enabled=false",
    "--set=uninstallHook.enabled=false,metrics.annotations=false,gateway.defaultAccessKey.enabled=false",
    "--set=gateway.replicas=1,store.persistentVolumeClaim=shared,crds.keep=false",
)

Object = dict[str, Any]


def helm(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs helm; skips without it, but fails under ``CI=true``."""
    cache = Path(os.environ.get("THAW_CACHE") or Path.home() / ".cache" / "thaw")
    folders = [os.environ.get("THAW_KUBE_BIN"), str(cache / "bin"), os.environ.get("PATH")]
    program = shutil.which("helm", path=os.pathsep.join(folder for folder in folders if folder))
    if program is None:
        reason = "no helm: run hack/verify once, or set THAW_KUBE_BIN to a folder that has it"
        (pytest.fail if os.environ.get("CI", "").lower() == "true" else pytest.skip)(reason)
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False, timeout=60)


@functools.cache
def render_text(*arguments: str) -> str:
    """What ``helm template`` prints."""
    done = helm("template", "thaw", str(CHART), "--namespace", NAMESPACE, *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout


def render(*arguments: str) -> list[Object]:
    """The chart's objects."""
    return [document for document in yaml.safe_load_all(render_text(*arguments)) if document]


def find(objects: list[Object], kind: str, name: str) -> Object:
    """One of them."""
    return next(o for o in objects if o["kind"] == kind and o["metadata"]["name"] == name)
