"""What hangs on a function's qualifier: function URLs, asynchronous invocations, provisioned concurrency."""

from __future__ import annotations

import re

from thaw.errors import UserError
from thaw.iac.draft import Draft
from thaw.iac.node import Node
from thaw.iac.report import Report

_CORS_LISTS = ("AllowHeaders", "AllowMethods", "AllowOrigins", "ExposeHeaders")


def put_provisioned(draft: Draft, qualifier: str, node: Node) -> None:
    """``ProvisionedConcurrencyConfig`` of a version, an alias, or a serverless function."""
    if strange := sorted(set(node.mapping()) - {"ProvisionedConcurrentExecutions"}):
        raise unknown(node.mapping()[strange[0]])
    amount = node.required("ProvisionedConcurrentExecutions")
    draft.put(amount.integer(), amount.path, "scaling", "provisionedConcurrency", qualifier)


def put_url(draft: Draft, qualifier: str, node: Node, report: Report) -> None:
    """``FunctionUrlConfig`` of a serverless function, or an ``AWS::Lambda::Url``."""
    way = ("urls", qualifier)
    draft.put({}, node.path, *way)
    node.required("AuthType")
    for name, value in sorted(node.mapping().items()):
        with report.catching():
            match name:
                case "AuthType" | "InvokeMode":
                    draft.put(value.text(), value.path, *way, name[0].lower() + name[1:])
                case "Cors":
                    _put_cors(draft, value, report, *way, "cors")
                case "TargetFunctionArn" | "Qualifier":
                    continue
                case _:
                    raise unknown(value)


def _put_cors(draft: Draft, node: Node, report: Report, *way: str) -> None:
    for name, value in sorted(node.mapping().items()):
        key = name[0].lower() + name[1:]
        with report.catching():
            if name == "AllowCredentials":
                draft.put(value.boolean(), value.path, *way, key)
            elif name == "MaxAge":
                draft.put(value.integer(), value.path, *way, key)
            elif name in _CORS_LISTS:
                draft.put([item.text() for item in value.sequence()], value.path, *way, key)
            else:
                raise unknown(value)


def put_events(draft: Draft, qualifier: str, node: Node, report: Report) -> None:
    """``EventInvokeConfig`` of a serverless function, or an ``AWS::Lambda::EventInvokeConfig``."""
    way = ("eventInvoke", qualifier)
    draft.put({}, node.path, *way)
    for name, value in sorted(node.mapping().items()):
        with report.catching():
            match name:
                case "MaximumRetryAttempts":
                    draft.put(value.integer(), value.path, *way, "maximumRetryAttempts")
                case "MaximumEventAgeInSeconds":
                    draft.put(value.integer(), value.path, *way, "maximumEventAgeSeconds")
                case "DestinationConfig":
                    _put_destinations(draft, value, report, *way)
                case "FunctionName" | "Qualifier":
                    continue
                case _:
                    raise unknown(value)


def _put_destinations(draft: Draft, node: Node, report: Report, *way: str) -> None:
    for name, value in sorted(node.mapping().items()):
        with report.catching():
            if name not in ("OnSuccess", "OnFailure"):
                raise unknown(value)
            target = value.required("Destination")
            address = target.text()
            if not re.fullmatch(r"arn:[a-z0-9-]+:lambda:\S+|https?://\S+", address):
                fix = f"name one: --set {target.path}=URL, or do without: --ignore {value.path}"
                raise target.wrong(f"{address} is neither a function's ARN nor a URL", fix)
            draft.put({"destination": address}, target.path, *way, name[0].lower() + name[1:])


def unknown(node: Node) -> UserError:
    """The error for a property that nobody reads."""
    return node.wrong("is not known to Thaw", f"to do without: --ignore {node.path}")
