"""``thaw import``: SAM and CloudFormation templates as Thaw's manifests."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from thaw.cli import import_sources, import_upload
from thaw.errors import UserError
from thaw.iac.report import Report
from thaw.iac.translate import Options, translate
from thaw.iac.write import to_yaml

CANNOT = 2


def command(
    template: Annotated[
        Path, typer.Argument(metavar="TEMPLATE", help="SAM or CloudFormation, YAML or JSON; - reads stdin.")
    ],
    *,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write here instead of stdout.", show_default=False)
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=VALUE", help="A parameter, AWS::Region and its like among them.", show_default=False
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Put a text there in the template.", show_default=False),
    ] = None,
    ignore: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHAT",
            help="Leave out a path, all resources of a type (AWS::Lambda::Url) or a property (Layers).",
            show_default=False,
        ),
    ] = None,
    upload: Annotated[
        bool,
        typer.Option("--upload", help="Keep packages in Thaw's code store, by the Lambda API at $THAW_ENDPOINT."),
    ] = False,
) -> None:
    """Makes manifests of a SAM or CloudFormation template, or of one that CDK synthesised.

    What has no place in Kubernetes is told on stderr, each with its path. Paths of code are relative to the template.

    thaw import template.yaml | kubectl apply -f -
    """
    options = Options(
        local=import_sources.reader(template),
        parameters=dict(_pairs("--parameter", parameter)),
        sets=_pairs("--set", set_),
        ignores=ignore or (),
        assets=import_sources.assets(template),
        packages=upload,
    )
    found = translate(import_sources.text(template), options)
    _tell(found.report)
    if found.report.errors:
        raise typer.Exit(CANNOT)
    if found.packages:
        import_upload.upload(found.manifests, found.packages)
    import_sources.write(to_yaml(found.manifests), out)


def _pairs(option: str, given: list[str] | None) -> list[tuple[str, str]]:
    pairs = []
    for text in given or ():
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise UserError(option, f"{text!r} is no NAME=VALUE")
        pairs.append((name, value))
    return pairs


def _tell(report: Report) -> None:
    for note in sorted(map(str, report.notes)):
        sys.stderr.write(f"note: {note}\n")
    for error in sorted(map(str, report.errors)):
        sys.stderr.write(f"error: {error}\n")
    if report.errors:
        sys.stderr.write("thaw: nothing was imported; any path can be given (--set) or left out (--ignore)\n")
