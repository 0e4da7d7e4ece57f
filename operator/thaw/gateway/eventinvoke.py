"""The Lambda API's configuration of asynchronous invocation, over ``spec.eventInvoke`` of Function objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from thaw import names
from thaw.api.v1alpha1 import EventInvoke, Function
from thaw.errors import InvokeError
from thaw.gateway import answers, shapes
from thaw.gateway.arns import Arns, Named
from thaw.gateway.events import destinations
from thaw.gateway.events.destinations import ToFunction
from thaw.gateway.functions import Functions
from thaw.gateway.watch import Watch
from thaw.kube.client import Object

Json = dict[str, Any]
MANAGER = "thaw-event-invoke"
"""Manages these fields, and no others: so their time is that of their last change (LastModified)."""
_DEFAULTS = EventInvoke()


@dataclass(frozen=True)
class EventInvokeConfigs:
    """Operations, each in one namespace; a qualifier that is not given is ``$LATEST``."""

    watch: Watch
    functions: Functions
    arns: Arns
    allowed_hosts: tuple[str, ...]

    async def put(self, namespace: str, named: Named, body: Json) -> Json:
        """PutFunctionEventInvokeConfig: what is not given is as if it had never been."""
        defaults = {
            "maximumRetryAttempts": _DEFAULTS.maximum_retry_attempts,
            "maximumEventAgeSeconds": _DEFAULTS.maximum_event_age_seconds,
            "onSuccess": None,
            "onFailure": None,
        }
        asked = defaults | self._asked(namespace, named, body)
        return await self._change(namespace, named, lambda _: asked)

    async def update(self, namespace: str, named: Named, body: Json) -> Json:
        """UpdateFunctionEventInvokeConfig: what is not given stays."""
        asked = self._asked(namespace, named, body)

        def merged(raw: Object) -> Json:
            self._config(raw, _key(named))
            return asked

        return await self._change(namespace, named, merged)

    async def get(self, namespace: str, named: Named) -> Json:
        """GetFunctionEventInvokeConfig."""
        raw = await self.functions.read(namespace, named.function)
        self._must_exist(namespace, named)
        return self._shape(raw, _key(named))

    async def delete(self, namespace: str, named: Named) -> None:
        """DeleteFunctionEventInvokeConfig."""

        def make(raw: Object) -> Json:
            self._must_exist(namespace, named)
            self._config(raw, _key(named))
            return {"eventInvoke": {_key(named): None}}

        await self.functions.change(namespace, named.function, make, manager=MANAGER)

    async def list_all(self, namespace: str, named: Named) -> list[Json]:
        """ListFunctionEventInvokeConfigs, sorted, without paging."""
        raw = await self.functions.read(namespace, named.function)
        return [self._shape(raw, qualifier) for qualifier in sorted(raw["spec"].get("eventInvoke", {}))]

    def destined(self, body: Json) -> list[str]:
        """The functions that a request makes destinations.

        :raises InvokeError: 400, a destination that cannot be.
        """
        texts = [end.get("Destination") for end in body.get("DestinationConfig", {}).values() if end]
        found = [destinations.parse(text, self.arns, self.allowed_hosts) for text in texts if text]
        return [to.function for to in found if isinstance(to, ToFunction)]

    async def _change(self, namespace: str, named: Named, config: Callable[[Object], Json]) -> Json:
        """Writes what ``config`` makes of the Function as it is."""

        def make(raw: Object) -> Json:
            self._must_exist(namespace, named)
            return {"eventInvoke": {_key(named): config(raw)}}

        return self._shape(await self.functions.change(namespace, named.function, make, manager=MANAGER), _key(named))

    def _must_exist(self, namespace: str, named: Named) -> None:
        if not self._exists(namespace, named):
            raise answers.not_found(self.arns.function(named.function, named.qualifier))

    def _exists(self, namespace: str, named: Named) -> bool:
        if named.qualifier in ("", names.LATEST):
            return self.watch.function(namespace, named.function) is not None
        find = self.watch.version if named.qualifier.isdigit() else self.watch.alias
        return find(namespace, named.function, named.qualifier) is not None

    def _asked(self, namespace: str, named: Named, body: Json) -> Json:
        """The fields that a request sets.

        :raises InvokeError: 400, it sets none, or a destination that cannot be.
        """
        spec: Json = {}
        if "MaximumRetryAttempts" in body:
            spec["maximumRetryAttempts"] = body["MaximumRetryAttempts"]
        if "MaximumEventAgeInSeconds" in body:
            spec["maximumEventAgeSeconds"] = body["MaximumEventAgeInSeconds"]
        given = body.get("DestinationConfig", {})
        for member, field in (("OnSuccess", "onSuccess"), ("OnFailure", "onFailure")):
            if given.get(member) is not None:
                text = given[member].get("Destination")
                spec[field] = {"destination": self._checked(namespace, named, text)} if text else None
        if not spec and "DestinationConfig" not in body:
            raise answers.invalid("You must specify at least one of error handling or destination setting.")
        return spec

    def _checked(self, namespace: str, named: Named, text: str) -> str:
        found = destinations.parse(text, self.arns, self.allowed_hosts)
        if isinstance(found, ToFunction):
            if found.function == named.function:
                raise answers.invalid("You can't specify the function as a destination for itself.")
            if not self._exists(namespace, Named(found.function, found.qualifier)):
                raise answers.invalid(f"The destination {text} is invalid: there is no such function.")
        return text

    def _config(self, raw: Object, qualifier: str) -> EventInvoke:
        """What is configured for it.

        :raises InvokeError: 404, nothing is.
        """
        found = Function.model_validate(raw).spec.event_invoke.get(qualifier)
        if found is None:
            arn = self.arns.function(raw["metadata"]["name"], qualifier)
            text = f"The function {arn} doesn't have an EventInvokeConfig"
            raise InvokeError(404, "ResourceNotFoundException", text)
        return found

    def _shape(self, raw: Object, qualifier: str) -> Json:
        """FunctionEventInvokeConfig."""
        config, meta = self._config(raw, qualifier), Function.model_validate(raw).metadata
        at = shapes.modified(raw, "eventInvoke", qualifier) or meta.creation_timestamp
        ends = {"OnSuccess": config.on_success, "OnFailure": config.on_failure}
        return {
            "LastModified": at.timestamp() if at else 0,
            "FunctionArn": self.arns.function(meta.name, qualifier),
            "MaximumRetryAttempts": config.maximum_retry_attempts,
            "MaximumEventAgeInSeconds": config.maximum_event_age_seconds,
            "DestinationConfig": {k: {"Destination": end.destination} if end else {} for k, end in ends.items()},
        }


def _key(named: Named) -> str:
    """In ``spec.eventInvoke``."""
    return named.qualifier or names.LATEST
