"""The Lambda API's operations on tags, over ``spec.tags`` of Functions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from thaw.gateway import answers, arns, inputs
from thaw.gateway.functions import Functions


@dataclass(frozen=True)
class Tags:
    """Operations, each in one namespace."""

    functions: Functions
    arns: arns.Arns

    async def add(self, namespace: str, resource: str, tags: Mapping[str, str]) -> None:
        """TagResource."""
        await self.functions.change(
            namespace,
            self._function(resource),
            lambda raw: {"tags": inputs.tags(tags, raw["spec"].get("tags", {}))},
        )

    async def remove(self, namespace: str, resource: str, keys: Sequence[str]) -> None:
        """UntagResource; keys that are not there are fine."""
        await self.functions.change(namespace, self._function(resource), lambda _raw: {"tags": dict.fromkeys(keys)})

    async def of(self, namespace: str, resource: str) -> Mapping[str, str]:
        """ListTags."""
        raw = await self.functions.read(namespace, self._function(resource))
        found: Mapping[str, str] = raw["spec"].get("tags", {})
        return found

    def _function(self, resource: str) -> str:
        """The function of an ARN: tags are of functions alone.

        :raises InvokeError: it is another resource's.
        """
        named = arns.parse(resource) if ":function:" in resource else None
        if named is None or named.qualifier or self.arns.function(named.function) != resource:
            raise answers.invalid(
                f"Tags are of functions: {resource} must be a function's ARN, without a version or an alias, such as "
                f"{self.arns.function('my-function')}"
            )
        return named.function
