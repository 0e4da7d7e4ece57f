"""``thaw doctor``: every component and node: what works, what does not, the fix."""

from __future__ import annotations

from collections.abc import Sequence

import typer
from rich.text import Text

from thaw.cli import doctor_checks, doctor_look, options, output
from thaw.cli.credentials import Asked
from thaw.cli.doctor_checks import Check, Status
from thaw.cli.output import Output
from thaw.cli.session import Session, Where, run

FAILED = 1
_COLOURS = {Status.OK: "green", Status.WARN: "yellow", Status.FAIL: "red"}


def command(
    *,
    output_format: options.OutputFormat = Output.TABLE,
    namespace: options.Namespace = "",
    context: options.Context = "",
    kubeconfig: options.Kubeconfig = "",
    endpoint: options.Endpoint = "",
    token: options.Token = "",
    as_service_account: options.ServiceAccount = "",
    system_namespace: options.SystemNamespace = options.SYSTEM_NAMESPACE,
) -> None:
    """Looks at every component and node, and says what works, what does not, and the fix.

    Exit code 1 when anything fails. It changes nothing.
    """
    asked = Asked(endpoint, token, as_service_account, system_namespace)

    async def examined(session: Session) -> list[Check]:
        return doctor_checks.examine(await doctor_look.look(session, asked))

    checks = run(Where(namespace, context, kubeconfig), examined)
    if output_format is Output.JSON:
        output.write_json({"checks": [check.to_json() for check in checks], **_counts(checks)})
    else:
        _write(checks)
    if any(check.status is Status.FAIL for check in checks):
        raise typer.Exit(FAILED)


def _write(checks: Sequence[Check]) -> None:
    out = output.stdout()
    for check in checks:
        out.print(
            Text.assemble((f"{check.status:5}", _COLOURS[check.status]), (f"{check.name}: ", "bold"), check.message)
        )
        if check.fix:
            out.print(Text(f"     fix: {check.fix}"))
    out.print(Text(", ".join(f"{count} {status}" for status, count in _counts(checks).items())))


def _counts(checks: Sequence[Check]) -> dict[str, int]:
    return {str(status): sum(check.status is status for check in checks) for status in Status}
