"""Where code goes: into the manifest, into a package, or nowhere."""

from __future__ import annotations

import hashlib
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

from thaw.cli import import_sources
from thaw.errors import UserError
from thaw.iac.code import LocalCode, LocalFile
from unit.iac.importing import CODE, archive, errors, folder, function, imported, notes, spec

HERE = "Resources.Greet.Properties.Code"


def one(code: Any, files: LocalCode | None = None, *, packages: bool = False, **more: Any) -> Any:
    metadata = more.pop("Metadata", {})
    assets = more.pop("assets", {})
    resource = function(Code=code, **more) | {"Metadata": metadata}
    folders = {"given": files} if files else {}
    return imported({"Resources": {"Greet": resource}}, folders, packages=packages, assets=assets)


def code(found: Any) -> Any:
    return spec(found)["code"]


def test_a_small_folder_of_text_is_in_the_manifest() -> None:
    assert code(one("given", folder({"app.py": "x", "lib/util.py": "y"}))) == {
        "inline": {"app.py": "x", "lib/util.py": "y"}
    }


def test_a_zip_file_of_text_is_in_the_manifest_too() -> None:
    assert code(one("given", archive({"app.py": b"x"}))) == {"inline": {"app.py": "x"}}


@pytest.mark.parametrize(
    ("files", "more", "why"),
    [
        (folder({"app.py": "x", "lib.so": b"\x7fELF\xff"}), {}, "given holds lib.so, which is not text"),
        (folder({"a.py": "x", "b": b"a\0b"}), {}, "given holds b, which is not text"),
        (folder({"run.sh": "x"}, executable=("run.sh",)), {}, "given holds run.sh, which is executable"),
        (folder({"a b.py": "x"}), {}, "given holds 'a b.py', a name that a manifest cannot hold"),
        (folder({f"f{i}.py": "x" for i in range(65)}), {}, "given holds 65 files, and a manifest 64 at most"),
        (folder({"app.py": "x" * 150_001}), {}, "given is greater than the 150000 bytes that a manifest may hold"),
        (folder({"bootstrap": "#!/bin/sh"}), {"Runtime": "provided.al2023"}, "is compiled code for provided.al2023"),
        (folder({"H.class": "x"}), {"Runtime": "java21"}, "is compiled code for java21"),
    ],
)
def test_what_a_manifest_cannot_hold_is_a_package(files: LocalCode, more: dict[str, Any], why: str) -> None:
    told = errors(one("given", files, **more))
    assert len(told) == 1
    assert told[0].startswith(f"{HERE}: ")
    assert why in told[0]
    assert "--upload" in told[0]
    found = one("given", files, packages=True, **more)
    package = found.packages["greet"]
    assert code(found) == {"zip": {"sha256": hashlib.sha256(package).hexdigest(), "size": len(package)}}
    with zipfile.ZipFile(io.BytesIO(package)) as made:
        assert {name: made.read(name) for name in made.namelist()} == {n: f.data for n, f in files.files.items()}


def test_an_uploaded_functions_role_is_said_even_if_it_is_none() -> None:
    files = folder({"H.class": "x"})
    assert spec(one("given", files, packages=True, Runtime="java21", Role=None))["role"] == ""


def test_a_package_is_the_same_whenever_it_is_made_and_keeps_what_runs() -> None:
    files = {"b.py": LocalFile(b"b"), "a.sh": LocalFile(b"a", executable=True)}
    package = LocalCode(files).zipped()
    assert package == LocalCode(dict(reversed(files.items()))).zipped()
    with zipfile.ZipFile(io.BytesIO(package)) as made:
        assert [(info.filename, oct(info.external_attr >> 16)) for info in made.infolist()] == [
            ("a.sh", "0o100755"),
            ("b.py", "0o100644"),
        ]


def test_a_zip_file_is_uploaded_as_it_is() -> None:
    given = archive({"H.class": b"\xca\xfe"})
    assert one("given", given, packages=True, Runtime="java21").packages == {"greet": given.archive}


@pytest.mark.parametrize(
    ("runtime", "name"), [("python3.13", "index.py"), ("nodejs22.x", "index.js"), ("nodejs20.x", "index.js")]
)
def test_code_in_the_template_is_a_file_called_index(runtime: str, name: str) -> None:
    assert code(one({"ZipFile": "text"}, Runtime=runtime)) == {"inline": {name: "text"}}


@pytest.mark.parametrize(
    ("given", "more", "words"),
    [
        ({"ZipFile": "x"}, {"Runtime": "java21"}, f"{HERE}.ZipFile: code in the template is for Python and Node"),
        ({"ZipFile": "import cfnresponse"}, {}, f"{HERE}.ZipFile: uses cfnresponse"),
        ({"ZipFile": "x" * 150_001}, {}, f"{HERE}.ZipFile: is longer than 150000 bytes"),
        ({"S3Bucket": "b", "S3Key": "k.zip"}, {}, f"{HERE}: the code is in AWS: s3://b/k.zip (fetch it"),
        ({"S3Bucket": {"Fn::ImportValue": "b"}, "S3Key": "k"}, {}, f"{HERE}: the code is in AWS: s3://BUCKET/k"),
        ({"S3Bucket": "b"}, {}, f"{HERE}.S3Key: is required"),
        ({"Zipfile": "x"}, {}, f"{HERE}.Zipfile: is not known to Thaw"),
        ("absent", {}, f"{HERE}: absent is not there"),
    ],
)
def test_code_that_is_not_here_or_cannot_be_used_is_told(given: Any, more: dict[str, Any], words: str) -> None:
    told = errors(one(given, **more))
    assert len(told) == 1
    assert words in told[0]


def test_sources_that_were_not_built_are_refused_and_dependencies_that_are_missing_noted() -> None:
    assert "holds pom.xml: sources that were not built" in errors(one("given", folder({"pom.xml": "x"})))[0]
    missing = {**CODE, "requirements.txt": "# ours\nrequests\n"}
    text = f"{HERE}: requirements.txt names packages that are not beside it: build first, e.g. with sam build"
    assert notes(one("given", folder(missing))) == [text]
    assert notes(one("given", folder({**missing, "requests-2.dist-info/RECORD": ""}))) == []
    node = {"index.js": "x", "package.json": '{"dependencies": {"a": "1"}}'}
    assert "package.json names packages" in notes(one("given", folder(node)))[0]


@pytest.mark.parametrize(
    "more",
    [
        {"Metadata": {"aws:asset:path": "given", "aws:asset:property": "Code"}},
        {"assets": {"abc.zip": "given"}},
    ],
)
def test_cdks_assets_are_found_by_metadata_or_by_their_key(more: dict[str, Any]) -> None:
    given = {"S3Bucket": {"Fn::Sub": "cdk-${AWS::AccountId}"}, "S3Key": "abc.zip"}
    assert code(one(given, folder({"app.py": "x"}), **more)) == {"inline": {"app.py": "x"}}


@pytest.mark.parametrize(
    ("properties", "words"),
    [
        ({"CodeUri": "s3://b/k.zip"}, "CodeUri: the code is in AWS: s3://b/k.zip"),
        ({"CodeUri": {"Bucket": "b", "Key": "k.zip"}}, "CodeUri: the code is in AWS: s3://b/k.zip"),
        ({}, "CodeUri: is required"),
        ({"PackageType": "Image"}, "ImageUri: is required (build and push the image first"),
    ],
)
def test_sams_code_that_is_not_here_is_told(properties: dict[str, Any], words: str) -> None:
    whole = {"Runtime": "python3.13", "Handler": "a.h", **properties}
    told = errors(imported({"Resources": {"Greet": {"Type": "AWS::Serverless::Function", "Properties": whole}}}))
    assert len(told) == 1
    assert words in told[0]


# ---------------------------------------------------------------- what the command reads


@pytest.fixture
def read(tmp_path: Path) -> Any:
    return import_sources.reader(tmp_path / "template.yaml")


def test_a_folder_is_read_without_caches(tmp_path: Path, read: Any) -> None:
    for name in ("src/app.py", "src/lib/a.py", "src/__pycache__/app.pyc", "src/.git/config", "src/.DS_Store"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x")
    (tmp_path / "src/run.sh").write_text("x")
    (tmp_path / "src/run.sh").chmod(0o755)
    files = read("src").files
    assert {name: file.executable for name, file in files.items()} == {
        "app.py": False,
        "lib/a.py": False,
        "run.sh": True,
    }


def test_a_zip_file_is_read_and_kept(tmp_path: Path, read: Any) -> None:
    given = archive({"app.py": b"x"})
    (tmp_path / "code.zip").write_bytes(given.archive)
    assert read("code.zip") == given


def test_what_cannot_be_read_is_refused(tmp_path: Path, read: Any) -> None:
    (tmp_path / "no.zip").write_text("x")
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "link").symlink_to(tmp_path)
    for name, words in (("no.zip", "cannot be read"), ("absent", "is not there"), ("src", "is a link to a folder")):
        with pytest.raises(UserError, match=words):
            read(name)


def test_cdks_list_of_assets_is_read_beside_its_template(tmp_path: Path) -> None:
    listed = '{"files": {"a": {"source": {"path": "asset.a"}, "destinations": {"x": {"objectKey": "a.zip"}}}}}'
    (tmp_path / "Stack.assets.json").write_text(listed)
    assert import_sources.assets(tmp_path / "Stack.template.json") == {"a.zip": "asset.a"}
    assert import_sources.assets(tmp_path / "Other.template.json") == {}
    assert import_sources.assets(tmp_path / "template.yaml") == {}
    (tmp_path / "Stack.assets.json").write_text('{"files": {"a": {}}}')
    with pytest.raises(UserError, match=r"Stack\.assets\.json beside it is no list of CDK's assets"):
        import_sources.assets(tmp_path / "Stack.template.json")
