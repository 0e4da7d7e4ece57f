"""The operator: kopf, and what only kopf needs. Decisions are in :mod:`thaw.decide`, I/O in :mod:`thaw.kube`."""
