"""A kubeconfig as kubectl reads it: which cluster, as whom, and in which namespace."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from kubernetes.aio import client as k8s
from kubernetes.aio import config as k8s_config
from kubernetes.aio.config.kube_config import KubeConfigLoader, KubeConfigMerger

from thaw.errors import UserError
from thaw.kube.client import Kube

_DEFAULT = "~/.kube/config"
_POD_NAMESPACE = Path("/var/run/secrets/kubernetes.io/serviceaccount/namespace")


@dataclass(frozen=True)
class Access:
    """What a context of a kubeconfig gives."""

    configuration: k8s.Configuration
    namespace: str
    """The context's, else ``default``."""
    context: str = ""
    """Empty inside a pod without a kubeconfig."""

    @property
    def server(self) -> str:
        """The API server's URL."""
        return str(self.configuration.host)

    @property
    def token(self) -> str:
        """The user's bearer token; empty for users who show a certificate."""
        scheme, _, token = str(self.configuration.api_key.get("BearerToken", "")).partition(" ")
        return token if scheme == "Bearer" else ""

    def connect(self) -> Kube:
        """A connection, to be closed by its user."""
        return Kube(k8s.ApiClient(self.configuration))


async def load(path: str = "", context: str = "") -> Access:
    """Reads the kubeconfig: the one named, else those of ``KUBECONFIG``, else ``~/.kube/config``, else the pod's own.

    :param context: another than the current one.
    :raises UserError: it is not there, is broken, or has no such context.
    """
    paths = path or os.environ.get("KUBECONFIG", "") or _DEFAULT
    merged = _merged(paths)
    if merged is None and path:
        raise UserError("--kubeconfig", f"{path} does not exist", "name the file that kubectl uses")
    if merged is None:
        return _in_pod(paths, context)
    chosen = context or _current(merged)
    known = [str(entry["name"]) for entry in merged.config.value.get("contexts") or []]
    if chosen not in known:
        raise UserError("--context", _no_context(chosen, paths), f"it has: {', '.join(known) or 'none'}")
    configuration = k8s.Configuration()
    try:
        loader = KubeConfigLoader(config_dict=merged.config, config_base_path=None, active_context=chosen)
        await loader.load_and_set(configuration)
    except (k8s_config.ConfigException, OSError, ValueError) as e:
        raise UserError("--kubeconfig", f"context {chosen} of {paths}: {e}", "mend the file") from e
    return Access(configuration, loader.current_context["context"].get("namespace") or "default", chosen)


def _merged(paths: str) -> Any:
    """All files as one; None when none of them is there."""
    there = [part for part in paths.split(os.pathsep) if part and Path(part).expanduser().exists()]
    if not there:
        return None
    try:
        merged = KubeConfigMerger(os.pathsep.join(there))
        merged.config.value.get("contexts")
    except (OSError, yaml.YAMLError, AttributeError, KeyError, TypeError) as e:
        reason = str(e).splitlines()[0] if str(e) else repr(e)
        raise UserError("--kubeconfig", f"{paths} is no kubeconfig: {reason}", "mend the file") from e
    return merged


def _current(merged: Any) -> str:
    """The first file that names a current context wins, as for kubectl; the library takes the last."""
    named = (config.get("current-context") for config in merged.config_files.values())
    return str(next((context for context in named if context), ""))


def _no_context(chosen: str, paths: str) -> str:
    return f"{paths} has no context {chosen}" if chosen else f"{paths} has no current context"


def _in_pod(paths: str, context: str) -> Access:
    configuration = k8s.Configuration()
    try:
        k8s_config.load_incluster_config(client_configuration=configuration)
    except k8s_config.ConfigException:
        fix = "set KUBECONFIG, or name the file that kubectl uses"
        raise UserError("--kubeconfig", f"no cluster is known: {paths} does not exist", fix) from None
    if context:
        raise UserError("--context", f"there is no kubeconfig that could have {context}", "leave it out")
    namespace = _POD_NAMESPACE.read_text().strip() if _POD_NAMESPACE.exists() else "default"
    return Access(configuration, namespace)
