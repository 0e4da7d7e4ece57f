"""Manifests as YAML that people like to read: files as blocks, fields in their order."""

from __future__ import annotations

from collections.abc import Iterable

import yaml

from thaw.iac.document import Json


class _Dumper(yaml.SafeDumper):
    """Without anchors, and with lines of text as blocks."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        """Equal values are written out."""
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """Lists are indented below their key."""
        return super().increase_indent(flow, False)


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def to_yaml(manifests: Iterable[Json]) -> str:
    """One document each, as ``kubectl apply -f -`` takes them."""
    documents = (
        yaml.dump(manifest, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120) for manifest in manifests
    )
    return "---\n".join(documents)
