"""Lambda's REST API: which operation a request asks for, read, checked, and handed to the group that has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from aiohttp import web

from thaw import names
from thaw.errors import InvokeError
from thaw.gateway import answers, model, reading
from thaw.gateway.arns import Arns
from thaw.gateway.auth.access import CALLER, Access
from thaw.gateway.model import Operation
from thaw.gateway.operations.call import ApiCall, Handler, Handlers

BODY_LIMIT = 72 * 1024 * 1024
"""A package of 50 MB in base64, and the fields around it."""
REQUEST_ID = web.RequestKey("request_id", str)


class LambdaApi:
    """The operations that Thaw has, at the paths of AWS's model.

    :param groups: handlers by operation; no operation is in two of them.
    """

    def __init__(self, groups: Sequence[Handlers], access: Access, arns: Arns) -> None:
        self._access, self._arns = access, arns
        self._handlers: dict[str, Handler] = {name: handle for group in groups for name, handle in group.items()}
        assert len(self._handlers) == sum(map(len, groups)), "an operation is in two groups"

    @property
    def operations(self) -> Mapping[str, Handler]:
        """The operations that there are."""
        return self._handlers

    @property
    def handled(self) -> Sequence[str]:
        """The operations that Thaw has, by name."""
        return sorted(self._handlers)

    def routes(self) -> list[web.RouteDef]:
        """All paths of AWS's model, with a slash at the end or without, and whatever else looks like one."""
        paths = [path + slash for path in self._at for slash in ("", "/")]
        return [
            *(web.route("*", path, self.handle) for path in paths),
            web.route("*", r"/{api:\d{4}-\d{2}-\d{2}}/{rest:.*}", self.handle),
        ]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """One request."""
        operation = self.operation(request)
        if operation is None:
            raise InvokeError(404, "UnknownOperationException", f"Lambda has no {request.method} {request.path}.")
        handle = self._handlers.get(operation.name)
        if handle is None:
            raise self._absent(operation)
        caller = request[CALLER]
        if not caller.namespace:
            raise answers.invalid(f"Name the namespace of the functions in the header {names.NAMESPACE_HEADER}.")
        parameters = await reading.parameters(operation, request)
        await self._access.operate(caller, operation.name, operation.action, self._function(parameters))
        return await handle(ApiCall(operation, caller.namespace, parameters, request, request[REQUEST_ID]))

    def operation(self, request: web.Request) -> Operation | None:
        """The operation of AWS's model that a routed request asks for, whether Thaw has it or not."""
        resource = request.match_info.route.resource
        path = resource.canonical.rstrip("/") if resource is not None else ""
        fitting = [
            o
            for o in self._at.get(path, ())
            if o.method == request.method and all(request.query.get(k) == v for k, v in o.query.items())
        ]
        return max(fitting, key=lambda o: len(o.query), default=None)

    def _function(self, parameters: Mapping[str, Any]) -> str:
        """The function that a request is about; empty for none.

        :raises InvokeError: it is one of another account or region.
        """
        named = parameters.get("FunctionName") or parameters.get("Resource")
        if not named:
            return ""
        return self._arns.named(str(named), str(parameters.get("Qualifier") or "")).function

    @cached_property
    def _at(self) -> Mapping[str, list[Operation]]:
        at: dict[str, list[Operation]] = {}
        for operation in model.operations().values():
            at.setdefault(operation.path.rstrip("/"), []).append(operation)
        return at

    def _absent(self, operation: Operation) -> InvokeError:
        has = ", ".join(self.handled)
        return InvokeError(501, "NotImplementedException", f"Thaw does not have {operation.name}. It has: {has}.")
