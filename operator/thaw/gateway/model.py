"""PURE: the Lambda API as AWS describes it: operations, paths and shapes, out of botocore's service model."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from botocore.loaders import Loader
from botocore.model import ServiceModel, StructureShape


@dataclass(frozen=True)
class Operation:
    """One operation of the API."""

    name: str
    method: str
    path: str
    """A template: ``/2015-03-31/functions/{FunctionName}``."""
    query: Mapping[str, str]
    """What the query must hold, where two operations share a path: ``List=ALL``."""
    status: int
    """Of an answer that is no error."""
    input: StructureShape
    output: StructureShape | None

    @property
    def action(self) -> str:
        """The IAM action that allows it (Service Authorization Reference, AWS Lambda)."""
        return f"lambda:{_ACTIONS.get(self.name, self.name)}"

    @property
    def payload(self) -> str:
        """The member that is the whole body; empty when the body is JSON of members."""
        return str(self.input.serialization.get("payload", ""))


_ACTIONS = {"Invoke": "InvokeFunction", "InvokeWithResponseStream": "InvokeFunction", "InvokeAsync": "InvokeFunction"}


@functools.cache
def service() -> ServiceModel:
    """AWS's model of Lambda, as botocore ships it."""
    return ServiceModel(Loader().load_service_model("lambda", "service-2"), "lambda")


@functools.cache
def operations() -> Mapping[str, Operation]:
    """All operations of AWS's model by name, whether Thaw has them or not."""
    return {name: _operation(name) for name in service().operation_names}


def _operation(name: str) -> Operation:
    found = service().operation_model(name)
    path, _, query = found.http["requestUri"].partition("?")
    return Operation(
        name=name,
        method=found.http["method"],
        path=path,
        query=dict(parse_qsl(query)),
        status=int(found.http.get("responseCode", 200)),
        input=found.input_shape,
        output=found.output_shape,
    )
