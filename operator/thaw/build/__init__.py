"""PURE: whole manifests from values; nothing is called."""
