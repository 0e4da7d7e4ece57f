"""PURE: function names as Lambda takes them (name, partial ARN, ARN, with a qualifier or not), and its ARNs."""

from __future__ import annotations

import re
from dataclasses import dataclass

from thaw import names
from thaw.errors import InvokeError
from thaw.gateway import answers

_NAME = re.compile(
    r"(?:(?:arn:(?:aws[a-zA-Z-]*):lambda:(?P<region>[a-z0-9-]+):)?(?P<account>\d{12}):function:|function:)?"
    r"(?P<name>[a-zA-Z0-9_.-]{1,253})(?::(?P<qualifier>\$LATEST|[a-zA-Z0-9_-]{1,128}))?",
    re.ASCII,
)
_QUALIFIER = re.compile(r"\$LATEST|[a-zA-Z0-9_-]{1,128}")


@dataclass(frozen=True)
class Named:
    """A function, and what of it."""

    function: str
    qualifier: str = ""
    """A version, an alias, ``$LATEST``, or nothing."""


def parse(text: str, qualifier: str = "") -> Named:
    """Reads a FunctionName and the Qualifier beside it.

    :raises InvokeError: it is no name, or the two name different qualifiers.
    """
    match = _NAME.fullmatch(text)
    if match is None or match["name"] in (".", ".."):  # which would be another path of the API server's
        raise answers.invalid(
            f"1 validation error detected: Value '{text[:200]}' at 'functionName' is no function name or ARN"
        )
    if qualifier and not _QUALIFIER.fullmatch(qualifier):
        raise answers.invalid(
            f"1 validation error detected: Value '{qualifier[:200]}' at 'qualifier' is no version, alias or $LATEST"
        )
    inside = match["qualifier"] or ""
    if inside and qualifier and inside != qualifier:
        raise answers.invalid(
            "The derived qualifier from the function name does not match the specified qualifier: "
            f"{inside}, {qualifier}"
        )
    return Named(match["name"], inside or qualifier)


@dataclass(frozen=True)
class Arns:
    """The ARNs of one account and region: makes them, and reads no others."""

    region: str
    account: str

    def named(self, text: str, qualifier: str = "") -> Named:
        """Reads a FunctionName as :func:`parse` does.

        :raises InvokeError: also 404 or 403, as Lambda, for an ARN of another region or account.
        """
        named = parse(text, qualifier)
        match = _NAME.fullmatch(text)
        region, account = (match["region"], match["account"]) if match else (None, None)
        if region not in (None, self.region):
            reason = f"Functions from '{region}' are not reachable in this region ('{self.region}')"
            raise InvokeError(404, "ResourceNotFoundException", reason)
        if account not in (None, self.account):
            reason = f"Functions of the account {account} are not reachable: this gateway's account is {self.account}"
            raise InvokeError(403, "AccessDeniedException", reason)
        return named

    def function(self, name: str, qualifier: str = "") -> str:
        """The ARN of a function, a version or an alias."""
        arn = f"arn:aws:lambda:{self.region}:{self.account}:function:{name}"
        return f"{arn}:{qualifier}" if qualifier else arn

    def user(self, name: str) -> str:
        """The ARN by which AWS's texts would name the holder of an access key."""
        return f"arn:aws:iam::{self.account}:user/{name}"

    def latest(self, name: str) -> str:
        """The qualified ARN of ``$LATEST``."""
        return self.function(name, names.LATEST)
