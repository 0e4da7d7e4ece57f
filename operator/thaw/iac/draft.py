"""A manifest in the making, which remembers where in the template each of its fields comes from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from thaw import names
from thaw.api import v1alpha1
from thaw.api.base import Model
from thaw.errors import UserError
from thaw.iac.report import Report

Json = dict[str, Any]
_SPECS: dict[str, type[Model]] = {
    "Function": v1alpha1.FunctionSpec,
    "FunctionVersion": v1alpha1.FunctionVersionSpec,
    "FunctionAlias": v1alpha1.FunctionAliasSpec,
}


@dataclass
class Draft:
    """One object to be.

    :param path: of the resource it is made of.
    """

    kind: str
    name: str
    path: str
    spec: Json = field(default_factory=dict)
    origins: dict[tuple[str, ...], str] = field(default_factory=dict)

    def put(self, value: Any, origin: str, *way: str) -> None:
        """Sets a field of the spec, e.g. ``("snapStart", "applyOn")``.

        :raises UserError: it is set already, from elsewhere in the template.
        """
        if way in self.origins:
            raise UserError(origin, f"{'.'.join(way)} is given by {self.origins[way]} too")
        holder = self.spec
        for key in way[:-1]:
            holder = holder.setdefault(key, {})
        holder[way[-1]] = value
        self.origins[way] = origin

    def manifest(self) -> Json:
        """The object, with the spec's fields in the order of their documentation."""
        order = [field.alias or name for name, field in _SPECS[self.kind].model_fields.items()]
        spec = dict(sorted(self.spec.items(), key=lambda item: order.index(item[0])))
        return {"apiVersion": names.API_VERSION, "kind": self.kind, "metadata": {"name": self.name}, "spec": spec}

    def check(self, report: Report) -> None:
        """Holds the spec against its model; what does not fit is told at the template's path."""
        try:
            _SPECS[self.kind].model_validate(self.spec)
        except ValidationError as error:
            # What was not put in because of an error is missing because of that.
            told = bool(report.errors)
            for one in error.errors(include_url=False):
                if told and one["type"] == "missing":
                    continue
                where = tuple(str(part) for part in one["loc"] if part != "[key]")
                report.errors.append(UserError(self._origin(where), f"{'.'.join(where)}: {_said(one)}"))

    def _origin(self, where: tuple[str, ...]) -> str:
        for length in range(len(where), 0, -1):
            if found := self.origins.get(where[:length]):
                return found
        return self.path


def _said(error: Any) -> str:
    """What pydantic found, with the value; the sentence that the CRD has for a pattern is the API server's."""
    message, value = str(error["msg"]), error["input"]
    return message + (f", not {value!r}" if isinstance(value, str | int | float) else "")
