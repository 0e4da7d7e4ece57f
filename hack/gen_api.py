"""Writes charts/thaw/API.md from the gateway's handlers and AWS's model. usage: python hack/gen_api.py [--check]"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from thaw.gateway import inputs, model
from thaw.gateway.assembly import assemble
from thaw.gateway.operations.call import Handlers
from thaw.gateway.options import GatewaySettings

OUT = Path(__file__).parents[1] / "charts" / "thaw" / "API.md"
HEAD = """# Lambda's API

What the gateway has of AWS Lambda's API, by botocore's model of it: `aws --endpoint-url`, boto3 and the other SDKs
work unchanged. Paths, parameters, constraints, error codes and the members of answers are the model's; this page says
what differs. Written by `hack/gen_api.py`.

## Everywhere

- **The account is a namespace**, the one of the access key. ARNs have the chart's `region` and `accountId`.
- **What the API writes is an ordinary manifest**, and what is applied is there by API at once. A field that somebody
  else declares is not fought over: changing it is `409 ResourceConflictException`, `spec.memorySize is managed by
  argocd-controller: change it there`. Declared is what was applied by server-side apply, or written by Argo CD, Flux
  or Helm; `kubectl` apply, edit and patch are people, whose fields the API may change. An object that a deployer
  would make anew is not deleted either.
- **A parameter that Thaw cannot honour is refused by name** (`400 InvalidParameterValueException`) unless it says
  nothing (an empty list, an empty `VpcConfig`). It is never dropped.
- **`RevisionId`** is of the object: every change of it is a new one, also of its tags, URLs and concurrency. What was
  changed between look and write is `412 PreconditionFailedException`.
- **States**: a new function is `Pending` until the operator has seen it, within a second; changes wait for that, and
  are `409 ResourceConflictException` where it does not come. Further changes are taken while `LastUpdateStatus` is
  `InProgress`: nothing is being deployed that they could disturb.
- **Tags, URLs, event invoke configuration and concurrency** are the function's, not a version's: changing them is no
  reason for a new version.
- **Concurrency**: a namespace has `gateway.concurrentExecutions` (1000). A call counts from when it asks for an
  instance until it is answered, be it by Invoke, as a stream, by a function URL or by plain HTTP. Of several gateways
  each lets in its part, and at least one. More is `429 TooManyRequestsException` with `Retry-After` and a `Reason`:
  `ReservedFunctionConcurrentInvocationLimitExceeded`, or `ConcurrentInvocationLimitExceeded` of the namespace and of
  the bounded queue of a version. [Why so](../../hack/design/0005-api.md).
- **Lists** have 50 items a page at the most, in order of names and numbers; a marker stands while items come and go.
- **Errors that Lambda's model does not have** are AWS's common ones: `503 ServiceUnavailableException` (no instance
  in time), `501 NotImplementedException`, `404 UnknownOperationException`, `400 SerializationException`, `413
  RequestEntityTooLargeException`, and those of signatures and tokens. A `Failed` version is `502
  InvalidRuntimeException`.

"""


class _Nothing:
    """In the place of a cluster, which is not asked."""

    last_event = 0.0

    def __init__(self, *_: Any) -> None:
        pass


def handlers() -> Handlers:
    """What the gateway has, by operation."""
    nothing: Any = _Nothing()
    gateway = assemble(nothing, nothing, _Nothing, GatewaySettings(), build=nothing)
    return dict(gateway.front.api.operations)


def difference(name: str, handler: Any) -> str:
    """What an operation's own words say beside its name, and which of its parameters are refused."""
    words = " ".join((handler.__doc__ or "").partition("\n\n")[0].split()).removeprefix(name).lstrip(":. ")
    words = words[:1].upper() + words[1:]
    if name in inputs.TAKEN:
        members = model.operations()[name].input.members
        refused = ", ".join(f"`{m}`" for m in members if m not in inputs.TAKEN[name])
        words = f"{words} Not taken: {refused}.".strip()
    return words


def render() -> str:
    """The whole page."""
    there = handlers()
    rows = [f"| {name} | {difference(name, there[name])} |" for name in sorted(there)]
    table = "\n".join(["| operation | what differs from Lambda |", "|---|---|", *rows])
    absent = ", ".join(sorted(set(model.operations()) - set(there)))
    return (
        f"{HEAD}## What is there\n\n{table}\n\n## What is not there\n\n"
        f"Answered `501 NotImplementedException`, with the names of those that are: {absent}.\n"
    )


def main() -> None:
    """Writes the page, or says that it is out of date."""
    text = render()
    if "--check" not in sys.argv:
        OUT.write_text(text)
    elif not OUT.exists() or OUT.read_text() != text:
        sys.exit(f"{OUT.name} is out of date: run  python hack/gen_api.py")


if __name__ == "__main__":
    main()
