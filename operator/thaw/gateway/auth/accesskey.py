"""PURE: access keys, and how a Secret says one.

A field that cannot be, or that is not known, refuses the whole Secret: half of one would mean more, or other, than its
author wrote.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from thaw import names
from thaw.errors import UserError
from thaw.gateway import model
from thaw.gateway.auth.bucket import Rate
from thaw.gateway.auth.patterns import matches
from thaw.gateway.auth.verbs import FUNCTION_URL

LABEL = f"{names.LABEL_ACCESS_KEY}=true"
_REQUIRED = ("accessKeyId", "secretAccessKey", "namespace")
_FIELDS = (*_REQUIRED, "actions", "functions", "requestsPerSecond", "burst", "expires")
_ID = re.compile(r"[A-Za-z0-9]{4,128}", re.ASCII)
_FUNCTION = re.compile(r"[A-Za-z0-9_.*?-]{1,253}", re.ASCII)
_NUMBER = re.compile(r"\d{1,9}(\.\d{1,6})?", re.ASCII)
_RFC3339 = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,6})?(Z|[+-]\d{2}:\d{2})", re.ASCII)
_SHORTEST = 16


@dataclass(frozen=True)
class AccessKey:
    """A key, the one namespace it works in, and what it may do there."""

    id: str
    secret: str
    namespace: str
    actions: tuple[str, ...] = ("lambda:*",)
    """Patterns of IAM's actions."""
    functions: tuple[str, ...] = ("*",)
    """Patterns of the functions' names."""
    rate: Rate | None = None
    """Its own; None for the gateway's default."""
    expires: datetime | None = None

    def __repr__(self) -> str:
        return f"AccessKey({self.id!r}, namespace={self.namespace!r})"  # never the secret, wherever this is shown

    def allows(self, action: str, function: str) -> bool:
        """Whether it may do that.

        :param function: empty for what is about no one function, which only a key for all of them may do, as in IAM,
            where such an action needs the resource ``*``.
        """
        may = any(matches(pattern, action, any_case=True) for pattern in self.actions)
        return may and any(matches(pattern, function) if function else pattern == "*" for pattern in self.functions)

    def expired(self, now: datetime) -> bool:
        """Whether its time is over."""
        return self.expires is not None and now >= self.expires


def read(data: Mapping[str, str]) -> AccessKey:
    """Reads a Secret's ``data``; space around a value, such as an editor's last newline, is not part of it.

    :raises UserError: naming the field and the fix.
    """
    fields = {name: _decoded(name, value) for name, value in data.items()}
    for name in fields.keys() - set(_FIELDS):
        raise UserError(f"data.{name}", "there is no such field", f"one of {', '.join(_FIELDS)}")
    for name in _FIELDS:
        if not fields.get(name, "" if name in _REQUIRED else "absent"):
            raise UserError(f"data.{name}", "it is missing or empty", _FIXES[name])
    return AccessKey(
        id=_fitting("accessKeyId", fields["accessKeyId"], _ID),
        secret=_secret(fields["secretAccessKey"]),
        namespace=_fitting("namespace", fields["namespace"], names.NAMESPACE),
        actions=_actions(fields.get("actions", "lambda:*")),
        functions=_functions(fields.get("functions", "*")),
        rate=_rate(fields.get("requestsPerSecond"), fields.get("burst")),
        expires=_expires(fields.get("expires")),
    )


_FIXES = {
    "accessKeyId": "4 to 128 letters and digits",
    "secretAccessKey": f"at least {_SHORTEST} characters",
    "namespace": "the name of the namespace whose functions the key is for",
    "actions": "patterns separated by commas or newlines, such as lambda:InvokeFunction; leave it out for all",
    "functions": "patterns of names separated by commas or newlines, such as web-*; leave it out for all",
    "requestsPerSecond": "a number above 0, such as 50; leave it out for the gateway's own limit",
    "burst": "a whole number from 1 on, beside requestsPerSecond",
    "expires": "a time with its zone, such as 2030-01-31T12:00:00Z; leave it out for never",
}


def _decoded(name: str, value: str) -> str:
    try:
        return base64.b64decode(value, validate=True).decode().strip()
    except (binascii.Error, UnicodeDecodeError) as e:
        raise UserError(f"data.{name}", "it is no text", "text in UTF-8, in base64 (or give it as stringData)") from e


def _fitting(name: str, value: str, form: re.Pattern[str]) -> str:
    if not form.fullmatch(value):
        raise UserError(f"data.{name}", f"'{value[:80]}' cannot be", _FIXES[name])
    return value


def _secret(value: str) -> str:
    if len(value) < _SHORTEST:
        raise UserError("data.secretAccessKey", "it is too short to be safe", _FIXES["secretAccessKey"])
    return value


def _listed(name: str, value: str) -> tuple[str, ...]:
    patterns = tuple(part for part in re.split(r"[,\s]+", value) if part)
    if not patterns:
        raise UserError(f"data.{name}", "there is no pattern in it", _FIXES[name])
    return patterns


def _actions(value: str) -> tuple[str, ...]:
    known = {operation.action for operation in model.operations().values()} | {f"lambda:{FUNCTION_URL}"}
    patterns = _listed("actions", value)
    for pattern in patterns:
        if not pattern.lower().startswith("lambda:") or not any(matches(pattern, a, any_case=True) for a in known):
            raise UserError("data.actions", f"'{pattern[:80]}' fits no action of Lambda's", _FIXES["actions"])
    return patterns


def _functions(value: str) -> tuple[str, ...]:
    return tuple(_fitting("functions", pattern, _FUNCTION) for pattern in _listed("functions", value))


def _rate(per_second: str | None, burst: str | None) -> Rate | None:
    if per_second is None:
        if burst is not None:
            raise UserError("data.burst", "it means nothing without requestsPerSecond", "give both, or neither")
        return None
    rate = float(_fitting("requestsPerSecond", per_second, _NUMBER))
    if rate <= 0:
        raise UserError("data.requestsPerSecond", "it must be above 0", _FIXES["requestsPerSecond"])
    if burst is not None and (not re.fullmatch(r"\d{1,9}", burst, re.ASCII) or int(burst) < 1):
        raise UserError("data.burst", f"'{burst[:80]}' cannot be", _FIXES["burst"])
    return Rate(rate, int(burst) if burst is not None else math.ceil(rate))


def _expires(value: str | None) -> datetime | None:
    if value is None:
        return None
    text = _fitting("expires", value.upper(), _RFC3339)
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError) as e:
        raise UserError("data.expires", f"'{value[:80]}' is no time", _FIXES["expires"]) from e
