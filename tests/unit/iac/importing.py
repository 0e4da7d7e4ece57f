"""Short ways to import a template in a test."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping
from typing import Any

import yaml

from thaw.errors import UserError
from thaw.iac.code import LocalCode, LocalFile
from thaw.iac.translate import Options, Translation, translate

CODE = {"app.py": "def handler(event, context): ...\n"}


def folder(files: Mapping[str, str | bytes], executable: tuple[str, ...] = ()) -> LocalCode:
    data = {name: text.encode() if isinstance(text, str) else text for name, text in files.items()}
    return LocalCode({name: LocalFile(content, name in executable) for name, content in data.items()})


def archive(files: Mapping[str, bytes]) -> LocalCode:
    """A zip file that is the same on all machines: nothing in it is compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as made:
        for name, data in files.items():
            made.writestr(zipfile.ZipInfo(name), data)
    return LocalCode({name: LocalFile(data) for name, data in files.items()}, buffer.getvalue())


def reading(folders: Mapping[str, LocalCode]) -> Any:
    def read(path: str) -> LocalCode:
        if path not in folders:
            raise UserError(path, f"{path} is not there")
        return folders[path]

    return read


def imported(
    text: str | Mapping[str, Any], folders: Mapping[str, LocalCode] | None = None, **options: Any
) -> Translation:
    """Imports a template, of which ``src`` is a folder with a small function."""
    given = text if isinstance(text, str) else yaml.safe_dump(text)
    return translate(given, Options(local=reading({"src": folder(CODE)} | dict(folders or {})), **options))


def function(**properties: Any) -> dict[str, Any]:
    """A good CloudFormation function; None removes a property."""
    whole = {
        "FunctionName": "greet",
        "Runtime": "python3.13",
        "Handler": "app.handler",
        "Code": "src",
        "Role": "arn:aws:iam::111122223333:role/greeter",
    } | properties
    return {"Type": "AWS::Lambda::Function", "Properties": {k: v for k, v in whole.items() if v is not None}}


def template(_resources: Mapping[str, Any] | None = None, **sections: Any) -> dict[str, Any]:
    return {**sections, "Resources": {"Greet": function(), **(_resources or {})}}


def good(found: Translation) -> list[dict[str, Any]]:
    """The manifests of an import without errors."""
    assert [str(error) for error in found.report.errors] == []
    return list(found.manifests)


def spec(found: Translation) -> dict[str, Any]:
    """The spec of the first manifest."""
    return dict(good(found)[0]["spec"])


def errors(found: Translation) -> list[str]:
    return [str(error) for error in found.report.errors]


def notes(found: Translation) -> list[str]:
    return [str(note) for note in found.report.notes]
