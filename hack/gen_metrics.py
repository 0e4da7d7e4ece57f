"""Writes charts/thaw/METRICS.md from the three programs' own registries. usage: python hack/gen_metrics.py [--check]"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry

from thaw.agent.metrics import Metrics as AgentMetrics
from thaw.controller.metrics import Metrics as OperatorMetrics
from thaw.gateway.metrics import Metrics as GatewayMetrics

OUT = Path(__file__).parents[1] / "charts" / "thaw" / "METRICS.md"
PROGRAMS = {"operator": OperatorMetrics, "gateway": GatewayMetrics, "agent": AgentMetrics}
HEAD = """# Metrics

Prometheus metrics of Thaw's three programs, on `/metrics` of port 9090; durations are seconds, sizes bytes.
Written by `hack/gen_metrics.py`.
"""


def rows(registry: CollectorRegistry) -> Iterator[str]:
    """One line a metric: name, type, labels, meaning."""
    for collector in dict.fromkeys(registry._collector_to_names):
        (family,) = collector.describe()
        name = f"{family.name}_total" if family.type == "counter" else family.name
        labels = ", ".join(f"`{label}`" for label in collector._labelnames)
        yield f"| `{name}` | {family.type} | {labels} | {family.documentation} |"


def render() -> str:
    """The whole page."""
    parts = [HEAD]
    for program, metrics in PROGRAMS.items():
        table = "\n".join(rows(metrics().registry))
        parts.append(f"## {program}\n\n| metric | type | labels | what |\n|---|---|---|---|\n{table}\n")
    return "\n".join(parts)


def main() -> None:
    """Writes the page, or says that it is out of date."""
    text = render()
    if "--check" not in sys.argv:
        OUT.write_text(text)
    elif not OUT.exists() or OUT.read_text() != text:
        sys.exit(f"{OUT.name} is out of date: run  python hack/gen_metrics.py")


if __name__ == "__main__":
    main()
