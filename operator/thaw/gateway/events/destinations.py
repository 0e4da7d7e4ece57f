"""PURE: what a destination's text means."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from thaw.gateway import answers, arns
from thaw.gateway.arns import Arns

_ARN = re.compile(r"arn:[^:]*:(?P<service>[^:]+):(?P<region>[^:]*):(?P<account>[^:]*):.+")
_SERVICES = {
    "sqs": "an SQS queue",
    "sns": "an SNS topic",
    "events": "an EventBridge event bus",
    "s3": "an S3 bucket",
}


@dataclass(frozen=True)
class ToFunction:
    """A function of the same namespace, invoked asynchronously."""

    function: str
    qualifier: str


@dataclass(frozen=True)
class ToUrl:
    """A URL that the record is POSTed to."""

    url: str


Destination = ToFunction | ToUrl


def parse(text: str, own: Arns, allowed_hosts: Sequence[str]) -> Destination:
    """Reads a destination.

    :param allowed_hosts: patterns of the hosts that URLs may name, such as ``*.example.com``; none: any.
    :raises InvokeError: 400, saying what can be a destination.
    """
    if text.lower().startswith(("http://", "https://")):
        return _url(text, allowed_hosts)
    match = _ARN.fullmatch(text)
    if match is None:
        raise _invalid(text, "it is neither a function's ARN nor an http:// or https:// URL.")
    if match["service"] != "lambda":
        kind = _SERVICES.get(match["service"], f"of the service {match['service']}")
        raise _invalid(text, f"it is {kind}, which Thaw does not send to; give a function's ARN or an https:// URL.")
    if (match["region"], match["account"]) != (own.region, own.account):
        raise _invalid(text, f"this is account {own.account} in {own.region}, and no other can be reached.")
    named = arns.parse(text)
    return ToFunction(named.function, named.qualifier)


def _url(text: str, allowed_hosts: Sequence[str]) -> ToUrl:
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError as e:
        raise _invalid(text, f"{e}.") from e
    if not host:
        raise _invalid(text, "the URL names no host.")
    if url.username is not None or url.password is not None:
        raise _invalid(text, "a URL must not hold credentials: everybody who sees the function would see them.")
    if allowed_hosts and not any(fnmatchcase(host, pattern.lower()) for pattern in allowed_hosts):
        raise _invalid(text, f"the host {host} is none of those that an administrator allows.")
    return ToUrl(text)


def _invalid(text: str, why: str) -> Exception:
    return answers.invalid(f"The destination {text[:350]} is invalid: {why}")
