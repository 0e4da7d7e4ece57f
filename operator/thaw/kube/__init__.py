"""The cluster: the Kubernetes API and the agents, as calls that raise our own errors."""
