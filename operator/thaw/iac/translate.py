"""From a template's text to manifests, packages, notes and errors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from thaw.errors import UserError
from thaw.iac import code, function, template
from thaw.iac.document import Json, parse
from thaw.iac.draft import Draft
from thaw.iac.edits import apply_ignore, apply_set
from thaw.iac.report import Report
from thaw.iac.versions import Versions

_IN_THE_TEMPLATE = (
    template.VERSION,
    template.ALIAS,
    template.URL,
    template.EVENT_INVOKE,
    *template.FUNCTIONS,
)
_AROUND: Mapping[str, str] = {
    "AWS::Lambda::EventSourceMapping": "nothing reads events for the function; have it called through the gateway",
    "AWS::Lambda::Permission": "who may call is said by access keys and by RBAC",
    "AWS::Lambda::LayerVersion": "layers are not supported: put what they hold into the package",
    "AWS::Serverless::LayerVersion": "layers are not supported: put what they hold into the package",
    "AWS::Logs::LogGroup": "logs are the pods' own",
}


@dataclass(frozen=True)
class Options:
    """What a user says beside the template.

    :param local: reads folders and zip files beside the template.
    :param assets: CDK's: object key to a path relative to the template.
    :param packages: whether packages may be needed, because somebody uploads them.
    """

    local: code.Reader
    parameters: Mapping[str, str] = field(default_factory=dict)
    sets: Sequence[tuple[str, str]] = ()
    ignores: Sequence[str] = ()
    assets: Mapping[str, str] = field(default_factory=dict)
    packages: bool = False


@dataclass(frozen=True)
class Translation:
    """What became of a template.

    :param manifests: sorted by kind and name; of use only without errors.
    :param packages: function name to the package that its manifest names.
    """

    manifests: tuple[Json, ...]
    packages: Mapping[str, bytes]
    report: Report


def translate(text: str, options: Options) -> Translation:
    """Translates a template.

    :raises UserError: it cannot be read at all, or an option does not fit it. All else is in the report.
    """
    document, report = parse(text), Report()
    for path, value in options.sets:
        apply_set(document, path, value)
    for what in options.ignores:
        apply_ignore(document, what, report)
    read = template.load(document, options.parameters, report)
    drafts, packages = _functions(read, options)
    drafts += Versions(read, {draft.name: draft for draft in drafts}).read()
    for draft in drafts:
        draft.check(report)
    _unpublished(drafts, report)
    for resource in sorted(read.resources.values(), key=lambda r: r.path):
        if resource.type not in _IN_THE_TEMPLATE:
            why = _AROUND.get(resource.type, "it is not a function")
            report.note(resource.path, f"{resource.type} is left out: {why}")
    if not drafts and not report.errors:
        report.errors.append(UserError("Resources", "hold no function, version or alias"))
    ordered = sorted(drafts, key=lambda draft: (draft.kind, draft.name))
    return Translation(tuple(draft.manifest() for draft in ordered), packages, report)


def _unpublished(drafts: list[Draft], report: Report) -> None:
    """Notes what has SnapStart to no avail."""
    published = {draft.spec.get("functionName") for draft in drafts if draft.kind == "FunctionVersion"}
    for draft in drafts:
        on = draft.spec.get("snapStart", {}).get("applyOn") == "PublishedVersions"
        if on and draft.name not in published and not draft.spec.get("autoPublishAlias"):
            text = "nothing publishes it, and only published versions start from a snapshot: add an AutoPublishAlias"
            report.note(draft.path, f"{text} or a Version")


def _functions(read: template.Template, options: Options) -> tuple[list[Draft], dict[str, bytes]]:
    drafts, packages = [], {}
    for resource in read.of_type(*template.FUNCTIONS):
        draft = function.build(resource, read)
        drafts.append(draft)
        with read.report.catching():
            runtime = function.runtime_of(resource)
            found = code.read(resource, runtime, options.local, options.assets)
            if found.needed and not options.packages:
                fix = "--upload keeps it in Thaw's code store, by its Lambda API"
                raise UserError(found.path, f"{found.needed}, so it has to be a package", fix)
            draft.put(found.spec, found.path, "code")
            if found.unmet:
                text = f"{found.unmet} names packages that are not beside it: build first, e.g. with sam build"
                read.report.note(found.path, text)
            if found.package:
                packages[draft.name] = found.package
                # Uploading may make the function, with a role that only the manifest can take away again.
                draft.spec.setdefault("role", "")
    return drafts, packages
