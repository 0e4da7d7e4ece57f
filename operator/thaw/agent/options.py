"""What only the agent can be told, beside :mod:`thaw.settings`; the same ``THAW_*`` variables."""

from __future__ import annotations

from thaw.settings import Settings


class AgentSettings(Settings):
    """Settings of the agent. Times are seconds, sizes bytes."""

    node_ip: str = "127.0.0.1"
    """This node's address (``status.hostIP``), where its kubelet answers."""
    kubelet_port: int = 10250
    kubelet_insecure_tls: bool = True
    """Speak to the kubelet also when the cluster's CA did not sign its certificate.

    kubeadm's kubelets sign their own unless ``serverTLSBootstrap`` is on, so there is nothing to check it against. The
    call goes from this node to itself and never crosses a wire. A certificate that does verify is always verified.
    """
    checkpoint_timeout: float = 180.0
    """How long the kubelet may take for one checkpoint."""
    snapshot_max_bytes: int = 16 << 30
    """The greatest snapshot that is taken or restored: what bounds an archive's bite out of the node's disk."""
    container_timeout: float = 600.0
    """How long a pod to be snapshotted may take to start its container, pulling the image included."""


def load() -> AgentSettings:
    """Reads the environment once, at start-up.

    :raises pydantic.ValidationError: naming the variable that is wrong.
    """
    return AgentSettings()
