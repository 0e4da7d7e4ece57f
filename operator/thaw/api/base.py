"""The one base of all models: camelCase on the wire, snake_case in Python, unknown fields refused where users write."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel


class Model(BaseModel):
    """A piece of an object: camelCase in JSON, immutable in Python."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, frozen=True, extra="ignore")

    def to_json(self) -> dict[str, Any]:
        """The JSON form, without what is unset."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
