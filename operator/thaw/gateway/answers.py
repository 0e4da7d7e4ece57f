"""The Lambda API's errors, as values of :class:`thaw.errors.InvokeError`, and their wire form."""

from __future__ import annotations

import functools
import math
from typing import Any

from thaw import errors
from thaw.errors import InvokeError
from thaw.gateway import model

RETRY_AFTER = 1
"""Seconds that a caller who was throttled is told to wait."""


def body(error: InvokeError) -> dict[str, Any]:
    """The JSON of an error."""
    shape = {"Type": "User" if error.status < 500 else "Service", _text_key(error.type): error.message}
    return shape | ({"Reason": error.reason} if error.reason else {})


def headers(error: InvokeError) -> dict[str, str]:
    """What an error says in headers."""
    return {"x-amzn-errortype": error.type, **error.headers}


@functools.cache
def _text_key(type_: str) -> str:
    """``message`` or ``Message``, as AWS's model has it; what the model does not have comes from in front of Lambda."""
    known = next((shape for shape in model.service().error_shapes if shape.name == type_), None)
    return "Message" if known is not None and "Message" in known.members else "message"


def not_found(arn: str) -> InvokeError:
    """No such function, version or alias."""
    return InvokeError(404, "ResourceNotFoundException", f"Function not found: {arn}")


def alias_not_found(arn: str) -> InvokeError:
    """No such alias."""
    return InvokeError(404, "ResourceNotFoundException", f"Cannot find alias arn: {arn}")


def not_provisioned() -> InvokeError:
    """A version or an alias without provisioned concurrency."""
    text = "No Provisioned Concurrency Config found for this function"
    return InvokeError(404, "ProvisionedConcurrencyConfigNotFoundException", text)


def invalid(message: str) -> InvokeError:
    """A parameter that cannot be."""
    return InvokeError(400, "InvalidParameterValueException", message)


def unsupported(field: str, hint: str = "") -> InvokeError:
    """A parameter that Lambda knows and Thaw does not: refused, never dropped."""
    return invalid(f"Thaw does not support {field}" + (f": {hint}" if hint else "; leave it out."))


def bad_types(message: str) -> InvokeError:
    """A body whose JSON values are of other types than the model's."""
    return InvokeError(400, "SerializationException", message)


def bad_content(message: str) -> InvokeError:
    """A body that is not what it must be."""
    return InvokeError(400, "InvalidRequestContentException", message)


def conflict(message: str) -> InvokeError:
    """It exists, or is in the wrong state."""
    return InvokeError(409, "ResourceConflictException", message)


def in_state(state: str, reason: str = "") -> InvokeError:
    """The wrong state, in Lambda's words."""
    text = f"The operation cannot be performed at this time. The function is currently in the following state: {state}"
    return conflict(f"{text} ({reason})" if reason else text)


def being_deleted() -> InvokeError:
    """Too late for a change."""
    return conflict("The operation cannot be performed at this time. The function is being deleted.")


def failed(code: str, reason: str) -> InvokeError:
    """A Failed version: it never serves; publish again."""
    why = f"{code}: {reason}" if reason else code
    return InvokeError(502, "InvalidRuntimeException", f"The function is in the state Failed. {why}")


def unsettled() -> InvokeError:
    """Others change it all the time."""
    return conflict("The resource is being changed by others just now. Please try again.")


def declared(path: str, manager: str) -> InvokeError:
    """A field that somebody declares, who would only change it back."""
    return conflict(f"{path} is managed by {manager}: change it there")


def precondition() -> InvokeError:
    """RevisionId is not the current one."""
    text = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction API to get the latest."
    return InvokeError(412, "PreconditionFailedException", text)


def too_large(limit: int, operation: str) -> InvokeError:
    """A payload over the limit."""
    text = f"Request must be smaller than {limit} bytes for the {operation} operation"
    return InvokeError(413, "RequestTooLargeException", text)


def entity_too_large(limit: int, operation: str) -> InvokeError:
    """A package over the limit: what Lambda's front answers, which is not in its model."""
    text = f"Request must be smaller than {limit} bytes for the {operation} operation"
    return InvokeError(413, "RequestEntityTooLargeException", text)


def throttled(text: str, reason: str = "ConcurrentInvocationLimitExceeded") -> InvokeError:
    """A limit is reached, or a queue full.

    :param reason: a ``ThrottleReason`` of Lambda's model.
    """
    later = {"Retry-After": str(RETRY_AFTER)}
    return InvokeError(429, "TooManyRequestsException", f"Rate Exceeded. {text}", reason=reason, headers=later)


def called_too_often(why: str, wait: float) -> InvokeError:
    """The caller's own limit.

    :param wait: seconds until another request would be answered.
    """
    return InvokeError(
        429,
        "TooManyRequestsException",
        f"Rate exceeded. {why}",
        reason="CallerRateLimitExceeded",
        headers={"Retry-After": str(math.ceil(wait))},
    )


def denied(who: str, action: str, resource: str, why: str) -> InvokeError:
    """The caller is known and may not, in AWS's words."""
    text = f"User: {who} is not authorized to perform: {action} on resource: {resource} because {why}"
    return InvokeError(403, "AccessDeniedException", text)


def bad_token(why: str) -> InvokeError:
    """A bearer token that proves nothing."""
    text = f"The bearer token included in the request is invalid: {why}"
    return InvokeError(401, "UnrecognizedClientException", text, headers={"WWW-Authenticate": "Bearer"})


def no_instance(seconds: float, reason: str) -> InvokeError:
    """The deadline came before an instance."""
    return unavailable(f"No instance could serve the request within {seconds:g} s: {reason}")


def unavailable(text: str) -> InvokeError:
    """Not now; Lambda's ServiceException is always 500, so this is AWS's common error."""
    return InvokeError(503, "ServiceUnavailableException", text)


def unstartable(reason: str) -> InvokeError:
    """Instances do not start, and another try did not help."""
    return InvokeError(500, "ServiceException", f"An instance could not be started: {reason}")


def from_cluster(error: errors.ClusterError) -> InvokeError:
    """What the API server said, in the Lambda API's words."""
    match error:
        case errors.NotFound():
            return InvokeError(404, "ResourceNotFoundException", f"Resource not found: {error}")
        case errors.Conflict():
            return conflict(f"The resource is being changed by somebody else, or exists: {error}")
        case errors.Forbidden():
            return InvokeError(500, "ServiceException", f"The gateway may not do this in the cluster: {error}")
        case errors.Unavailable():
            return InvokeError(500, "ServiceException", f"The cluster does not answer: {error}")
        case _:
            return invalid(error.message)
