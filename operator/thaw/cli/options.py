"""Options that several commands have in common, each said once."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from thaw import names
from thaw.api import durations
from thaw.cli import complete
from thaw.cli.output import Output
from thaw.errors import UserError

Namespace = Annotated[
    str, typer.Option("--namespace", "-n", help="The context's, unless given.", show_default=False, metavar="NAME")
]
Context = Annotated[str, typer.Option(help="Of the kubeconfig.", show_default=False, metavar="NAME")]
Kubeconfig = Annotated[
    str, typer.Option(help="Instead of KUBECONFIG and ~/.kube/config.", show_default=False, metavar="FILE")
]
OutputFormat = Annotated[Output, typer.Option("--output", "-o", help="How the result is written.")]

_GATEWAY = "The gateway"
Endpoint = Annotated[
    str,
    typer.Option(
        envvar="THAW_ENDPOINT",
        help="The gateway's URL; without it, a port-forward to one of its pods.",
        show_default=False,
        metavar="URL",
        rich_help_panel=_GATEWAY,
    ),
]
Token = Annotated[
    str,
    typer.Option(
        envvar="THAW_TOKEN",
        help="A Kubernetes bearer token to call it with.",
        show_default=False,
        metavar="TOKEN",
        rich_help_panel=_GATEWAY,
    ),
]
ServiceAccount = Annotated[
    str,
    typer.Option(
        "--as-service-account",
        help="Call it as this service account of the namespace, by a token made for the call.",
        show_default=False,
        metavar="NAME",
        rich_help_panel=_GATEWAY,
    ),
]
SystemNamespace = Annotated[
    str,
    typer.Option(envvar="THAW_NAMESPACE", help="Where Thaw is installed.", metavar="NAME", rich_help_panel=_GATEWAY),
]
SYSTEM_NAMESPACE = names.SYSTEM_NAMESPACE

Function = Annotated[str, typer.Argument(metavar="FUNCTION", autocompletion=complete.functions, show_default=False)]
QualifiedFunction = Annotated[
    str,
    typer.Argument(
        metavar="FUNCTION[:QUALIFIER]",
        help="A version's number, an alias or $LATEST after the colon.",
        autocompletion=complete.qualified,
        show_default=False,
    ),
]


def duration(text: str, option: str) -> timedelta | None:
    """A duration as in a manifest, e.g. ``5m``; None for ``Never``.

    :raises UserError: it is none.
    """
    try:
        return durations.parse(text)
    except ValueError as e:
        raise UserError(option, str(e)) from None
