"""What ``thaw import`` makes of templates, the real CDK's among them, is accepted by a real API server."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

import cdk_app
from integration.apiserver import Kubectl
from thaw.cli import import_sources
from thaw.iac.translate import Options, translate
from thaw.iac.write import to_yaml

pytestmark = pytest.mark.integration

DATA = Path(__file__).resolve().parents[1] / "data" / "iac"
GOLDEN = sorted(DATA.glob("*.golden.yaml"))


@pytest.mark.parametrize("golden", GOLDEN, ids=lambda path: path.name)
def test_the_api_server_accepts_every_manifest(crds: Kubectl, namespace: str, golden: Path) -> None:
    manifests = list(yaml.safe_load_all(golden.read_text()))
    told = crds("apply", f"--namespace={namespace}", "--dry-run=server", "-f", "-", stdin=golden.read_text())
    assert len(told.splitlines()) == len(manifests)


def test_what_the_real_cdk_synthesises_is_imported_and_accepted(crds: Kubectl, namespace: str, tmp_path: Path) -> None:
    template = cdk_app.synthesised(tmp_path)
    options = Options(local=import_sources.reader(template), assets=import_sources.assets(template))
    found = translate(template.read_text(), options)
    assert found.report.errors == []
    greet, low, version = found.manifests
    assert greet == {
        "apiVersion": "thaw.dev/v1alpha1",
        "kind": "Function",
        "metadata": {"name": "cdk-greet"},
        "spec": {
            "runtime": "python3.13",
            "handler": "app.handler",
            "code": {"inline": {"app.py": (cdk_app.APP / "function/app.py").read_text()}},
            "memorySize": 256,
            "timeout": 10,
            "environment": {"GREETING": "hello"},
            "snapStart": {"applyOn": "PublishedVersions"},
            "autoPublishAlias": "live",
        },
    }
    assert low["metadata"] == {"name": "cdk-low"}
    assert low["spec"]["snapStart"] == {"applyOn": "PublishedVersions"}
    assert version["metadata"] == {"name": "cdk-low-lowversion"}
    assert version["spec"] == {"functionName": "cdk-low", "description": "by hand"}
    crds("apply", f"--namespace={namespace}", "--dry-run=server", "-f", "-", stdin=to_yaml(found.manifests))
