"""The Lambda API's errors, as values of :class:`thaw.errors.InvokeError`, and their wire form."""

from __future__ import annotations

import math
from typing import Any

from thaw import errors
from thaw.errors import InvokeError

_LOWER_CASE = {
    "CodeStorageExceededException",
    "InvalidParameterValueException",
    "InvalidRequestContentException",
    "PreconditionFailedException",
    "RequestTooLargeException",
    "ResourceConflictException",
    "ResourceNotReadyException",
    "TooManyRequestsException",
    "UnsupportedMediaTypeException",
    "ExpiredTokenException",
    "IncompleteSignatureException",
    "InvalidSignatureException",
    "MissingAuthenticationTokenException",
    "UnrecognizedClientException",
    "AccessDeniedException",
}
"""Errors whose text is called ``message`` in Lambda's model; the others' is ``Message``."""


def body(error: InvokeError) -> dict[str, Any]:
    """The JSON of an error."""
    key = "message" if error.type in _LOWER_CASE else "Message"
    reason = {"Reason": error.reason} if error.reason else {}
    return {"Type": "User" if error.status < 500 else "Service", key: error.message, **reason}


def not_found(arn: str) -> InvokeError:
    """No such function, version or alias."""
    return InvokeError(404, "ResourceNotFoundException", f"Function not found: {arn}")


def alias_not_found(arn: str) -> InvokeError:
    """No such alias."""
    return InvokeError(404, "ResourceNotFoundException", f"Cannot find alias arn: {arn}")


def invalid(message: str) -> InvokeError:
    """A parameter that cannot be."""
    return InvokeError(400, "InvalidParameterValueException", message)


def unsupported(field: str, hint: str = "") -> InvokeError:
    """A parameter that Lambda knows and Thaw does not: refused, never dropped."""
    return invalid(f"Thaw does not support {field}" + (f": {hint}" if hint else "; leave it out."))


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


def failed(code: str, reason: str) -> InvokeError:
    """A Failed version: it never serves; publish again."""
    why = f"{code}: {reason}" if reason else code
    return InvokeError(502, "InvalidRuntimeException", f"The function is in the state Failed. {why}")


def precondition() -> InvokeError:
    """RevisionId is not the current one."""
    text = "The Revision Id provided does not match the latest Revision Id. Call the GetFunction API to get the latest."
    return InvokeError(412, "PreconditionFailedException", text)


def too_large(limit: int, operation: str) -> InvokeError:
    """A body over the limit."""
    text = f"Request must be smaller than {limit} bytes for the {operation} operation"
    return InvokeError(413, "RequestTooLargeException", text)


def throttled(reason: str) -> InvokeError:
    """The queue is full."""
    return InvokeError(429, "TooManyRequestsException", f"Rate Exceeded. {reason}")


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
    text = f"No instance could serve the request within {seconds:g} s: {reason}"
    return InvokeError(503, "ServiceException", text)


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
