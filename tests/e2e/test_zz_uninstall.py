"""Last, for it takes Thaw away: ``helm uninstall`` leaves the nodes as they were."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest

from e2e.support import SYSTEM, eventually

TRACES = (
    "ls -d /opt/thaw /run/thaw /var/lib/thaw/snapshots /var/lib/thaw/code /var/lib/thaw/tmp 2>/dev/null;"
    "grep -lE 'runtimes.thaw|/opt/thaw' /etc/containerd/config.toml"
)


def test_helm_uninstall_leaves_the_nodes_as_they_were(cluster):
    """Runtime, containerd's configuration and caches go; the CRDs, and so the users' functions, are kept."""
    if not os.environ.get("THAW_E2E_DISPOSABLE"):
        pytest.skip("this would uninstall Thaw from a cluster that is kept: hack/test without --keep runs it")
    assert cluster.on_nodes(TRACES).strip(), "an installed Thaw leaves traces, else this test finds nothing"
    helm = shutil.which("helm") or pytest.fail("helm is not installed")
    command = [helm, "uninstall", "thaw", "--namespace", SYSTEM, "--wait", "--timeout", "3m"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    assert not cluster.on_nodes(TRACES).strip()
    eventually("Thaw's own pods are gone", lambda: not cluster.pods("app.kubernetes.io/name=thaw", SYSTEM))
    assert cluster.objects("functions") == [], "the CRDs are kept, and answer"
    for node in cluster.core.list_node().items:
        assert not [label for label in node.metadata.labels if label.startswith("thaw.dev/")]
        assert any(c.type == "Ready" and c.status == "True" for c in node.status.conditions)
