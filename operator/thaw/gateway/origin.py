"""PURE: what a page of a function may not do to the other pages at the gateway's address."""

from __future__ import annotations

WORKER_SCOPE = "service-worker-allowed"
"""By this header, in lower case, a function's page could have its service worker sit before all of the gateway's
others, the console's among them."""
