"""What builders give: objects as the API server takes them."""

from __future__ import annotations

from typing import Any

Manifest = dict[str, Any]
