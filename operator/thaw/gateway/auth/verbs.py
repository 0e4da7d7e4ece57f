"""PURE: what a Kubernetes user must be allowed in order to do something: a verb on ``functions.thaw.dev``.

One row for each operation that Thaw has. An operation without a row is refused to bearer tokens; access keys go by
IAM's actions instead (:attr:`thaw.gateway.model.Operation.action`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Verb = Literal["invoke", "publish", "get", "list", "create", "update", "delete"]

FUNCTION_URL = "InvokeFunctionUrl"
"""No operation of AWS's model, but an action of IAM: a request to a function's URL or its plain HTTP."""

VERBS: Mapping[str, Verb] = {
    "Invoke": "invoke",
    "InvokeWithResponseStream": "invoke",
    FUNCTION_URL: "invoke",
    "PublishVersion": "publish",
    "CreateFunction": "create",
    "DeleteFunction": "delete",
    "GetFunction": "get",
    "GetFunctionConfiguration": "get",
    "ListFunctions": "list",
    "ListVersionsByFunction": "list",
    "UpdateFunctionCode": "update",
    "UpdateFunctionConfiguration": "update",
    "CreateAlias": "update",
    "DeleteAlias": "update",
    "GetAlias": "get",
    "ListAliases": "list",
    "UpdateAlias": "update",
    "GetAccountSettings": "list",
    "GetFunctionConcurrency": "get",
    "PutFunctionConcurrency": "update",
    "DeleteFunctionConcurrency": "update",
    "GetProvisionedConcurrencyConfig": "get",
    "ListProvisionedConcurrencyConfigs": "list",
    "PutProvisionedConcurrencyConfig": "update",
    "DeleteProvisionedConcurrencyConfig": "update",
    "GetFunctionEventInvokeConfig": "get",
    "ListFunctionEventInvokeConfigs": "list",
    "PutFunctionEventInvokeConfig": "update",
    "UpdateFunctionEventInvokeConfig": "update",
    "DeleteFunctionEventInvokeConfig": "update",
    "GetFunctionUrlConfig": "get",
    "ListFunctionUrlConfigs": "list",
    "CreateFunctionUrlConfig": "update",
    "UpdateFunctionUrlConfig": "update",
    "DeleteFunctionUrlConfig": "update",
    "ListTags": "get",
    "TagResource": "update",
    "UntagResource": "update",
}

ACTIONS: Mapping[Verb, str] = {
    "invoke": "lambda:InvokeFunction",
    "publish": "lambda:PublishVersion",
    "get": "lambda:GetFunction",
    "list": "lambda:ListFunctions",
    "create": "lambda:CreateFunction",
    "update": "lambda:UpdateFunctionConfiguration",
    "delete": "lambda:DeleteFunction",
}
"""What an access key must be allowed for a verb, where no operation of Lambda's is asked for."""
