"""What every operation gets and gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from thaw.gateway import answers, arns, shapes
from thaw.gateway.model import Operation

Json = dict[str, Any]
_PAGE = 50


@dataclass(frozen=True)
class ApiCall:
    """A request to the API, read and checked."""

    operation: Operation
    namespace: str
    """The only one that the caller may see."""
    parameters: Json
    """By their names in AWS's model, without the payload, which only Invoke's kind has."""
    request: web.Request
    request_id: str

    @property
    def named(self) -> arns.Named:
        """The function, and what of it."""
        given = self.parameters
        return arns.parse(str(given["FunctionName"]), str(given.get("Qualifier") or ""))

    @property
    def body(self) -> Json:
        """The parameters that are not in the path, the query or a header."""
        outside = {n for n, s in self.operation.input.members.items() if s.serialization.get("location")}
        return {key: value for key, value in self.parameters.items() if key not in outside}

    def answer(self, shape: Json | None = None) -> web.Response:
        """The answer, with the status of AWS's model."""
        if shape is None:
            return web.Response(status=self.operation.status)
        return web.json_response(shape, status=self.operation.status)

    def page(self, key: str, items: list[Json]) -> web.Response:
        """One page of a list.

        :raises InvokeError: the marker is none that was given.
        """
        most = min(int(self.parameters.get("MaxItems") or _PAGE), _PAGE)
        try:
            chosen, marker = shapes.page(items, str(self.parameters.get("Marker") or ""), most)
        except ValueError as e:
            raise answers.invalid("Marker must be one that was given before") from e
        return self.answer({key: chosen, **({"NextMarker": marker} if marker else {})})


Handler = Callable[[ApiCall], Awaitable[web.StreamResponse]]
Handlers = dict[str, Handler]
