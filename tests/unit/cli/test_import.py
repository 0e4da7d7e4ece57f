"""``thaw import`` from the outside: what goes to stdout, what to stderr, exit codes, and what is uploaded."""

from __future__ import annotations

import base64
import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
import yaml
from botocore.exceptions import ClientError, EndpointConnectionError

from thaw.cli import import_upload
from thaw.cli.main import main

TEMPLATE = """
Parameters:
  Greeting: {Type: String}
Resources:
  Greet:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: greet
      Runtime: python3.13
      Handler: app.handler
      Role: arn:aws:iam::111122223333:role/greeter
      Code: src
      Environment: {Variables: {GREETING: !Ref Greeting}}
"""
GIVEN = ("--parameter", "Greeting=hello")


@pytest.fixture
def thaw(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Runs ``thaw import`` beside a template and its code; gives exit code, output, and what went to stderr."""
    monkeypatch.chdir(tmp_path)
    for name in (import_upload.ENDPOINT, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    (tmp_path / "src").mkdir()
    (tmp_path / "src/app.py").write_text("def handler(event, context): ...\n")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["thaw", "import", *arguments])
        with pytest.raises(SystemExit) as exit:
            main()
        captured = capsys.readouterr()
        return int(exit.value.code or 0), captured.out, captured.err

    return run


@pytest.fixture
def binary(thaw, tmp_path: Path) -> None:
    """Makes the code something that has to be a package."""
    (tmp_path / "src/lib.so").write_bytes(b"\x7fELF\xff")


class FakeLambda:
    """The part of botocore's client that is used, over functions' code."""

    class exceptions:
        class ResourceNotFoundException(Exception):
            pass

    def __init__(self, refuses: tuple[str, ...] = ()) -> None:
        self.code: dict[str, bytes] = {}
        self.calls: list[str] = []
        self.refuses = refuses

    def get_function_configuration(self, FunctionName: str) -> dict[str, Any]:
        if FunctionName not in self.code:
            raise self.exceptions.ResourceNotFoundException
        return {"CodeSha256": base64.b64encode(hashlib.sha256(self.code[FunctionName]).digest()).decode()}

    def create_function(self, FunctionName: str, Code: dict[str, bytes], **more: Any) -> None:
        if FunctionName in self.refuses:
            answer: Any = {
                "Error": {"Code": "ServiceException", "Message": "no room"},
                "ResponseMetadata": {"HTTPStatusCode": 500},
            }
            raise ClientError(answer, "CreateFunction")
        self.calls.append(f"create {FunctionName} {more['Runtime']} {more['Handler']} {more['Role']}")
        self.code[FunctionName] = Code["ZipFile"]

    def update_function_code(self, FunctionName: str, ZipFile: bytes) -> None:
        self.calls.append(f"update {FunctionName}")
        self.code[FunctionName] = ZipFile

    def delete_function(self, FunctionName: str) -> None:
        del self.code[FunctionName]


@pytest.fixture
def lam(monkeypatch: pytest.MonkeyPatch) -> FakeLambda:
    fake = FakeLambda()
    monkeypatch.setattr(import_upload, "_client", lambda: fake)
    return fake


def test_manifests_go_to_stdout(thaw) -> None:
    code, out, err = thaw("template.yaml", *GIVEN)
    assert (code, err) == (0, "")
    assert yaml.safe_load(out)["spec"]["environment"] == {"GREETING": "hello"}


def test_or_to_a_file(thaw, tmp_path: Path) -> None:
    assert thaw("template.yaml", *GIVEN, "--out", "made.yaml")[:2] == (0, "")
    assert yaml.safe_load((tmp_path / "made.yaml").read_text())["metadata"] == {"name": "greet"}


def test_a_template_can_come_from_stdin(thaw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(TEMPLATE))
    assert thaw("-", *GIVEN)[0] == 0


def test_with_an_error_nothing_is_written_and_every_path_is_named(thaw, tmp_path: Path) -> None:
    code, out, err = thaw("template.yaml", "--set", "Resources.Greet.Properties.Timeout=soon", "--out", "made.yaml")
    assert (code, out) == (2, "")
    assert not (tmp_path / "made.yaml").exists()
    path = "Resources.Greet.Properties"
    assert err.splitlines() == [
        f"error: {path}.Environment.Variables.GREETING: parameter Greeting has no Default "
        "(give it: --parameter Greeting=VALUE)",
        f"error: {path}.Timeout: must be a whole number, not soon",
        "thaw: nothing was imported; any path can be given (--set) or left out (--ignore)",
    ]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("absent.yaml",), "thaw: TEMPLATE: absent.yaml cannot be read"),
        (("template.yaml", "--parameter", "Greeting"), "thaw: --parameter: 'Greeting' is no NAME=VALUE"),
        (("template.yaml", "--set", "=x"), "thaw: --set: '=x' is no NAME=VALUE"),
        (("template.yaml", *GIVEN, "--out", "absent/made.yaml"), "thaw: --out: absent/made.yaml cannot be written"),
    ],
)
def test_what_was_typed_wrong_is_one_line(thaw, arguments: tuple[str, ...], words: str) -> None:
    code, out, err = thaw(*arguments)
    assert (code, out) == (2, "")
    assert err.startswith(words)
    assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("binary")
def test_a_package_is_not_uploaded_unasked(thaw, lam: FakeLambda) -> None:
    code, out, err = thaw("template.yaml", *GIVEN)
    assert (code, out) == (2, "")
    assert "src holds lib.so, which is not text, so it has to be a package (--upload keeps it" in err
    assert lam.calls == []


@pytest.mark.usefixtures("binary")
def test_a_package_is_uploaded_once_and_the_manifest_names_it(thaw, lam: FakeLambda, tmp_path: Path) -> None:
    code, out, _ = thaw("template.yaml", *GIVEN, "--upload")
    assert code == 0
    package = lam.code["greet"]
    named = {"sha256": hashlib.sha256(package).hexdigest(), "size": len(package)}
    assert yaml.safe_load(out)["spec"]["code"] == {"zip": named}
    assert lam.calls == ["create greet python3.13 app.handler arn:aws:iam::111122223333:role/greeter"]
    assert "its package is in the store already" in thaw("template.yaml", *GIVEN, "--upload")[2]
    (tmp_path / "src/app.py").write_text("def handler(event, context): return 1\n")
    assert thaw("template.yaml", *GIVEN, "--upload")[0] == 0
    assert lam.calls[1:] == ["update greet"]


@pytest.mark.usefixtures("binary")
def test_nothing_is_uploaded_for_a_template_with_errors(thaw, lam: FakeLambda) -> None:
    assert thaw("template.yaml", "--upload")[0] == 2
    assert lam.calls == []


@pytest.mark.usefixtures("binary")
def test_a_function_made_before_a_failure_is_removed_again(thaw, lam: FakeLambda, tmp_path: Path) -> None:
    second = TEMPLATE + TEMPLATE.partition("Resources:")[2].replace("Greet:", "Other:").replace("greet\n", "other\n")
    (tmp_path / "template.yaml").write_text(second)
    lam.refuses = ("other",)
    code, out, err = thaw("template.yaml", *GIVEN, "--upload")
    assert (code, out) == (2, "")
    assert lam.code == {}
    assert err.splitlines()[-1] == "thaw: ServiceException (500): no room"


@pytest.mark.usefixtures("binary")
def test_uploading_needs_an_endpoint_and_a_key(thaw, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "THAW_ENDPOINT: is not set" in thaw("template.yaml", *GIVEN, "--upload")[2]
    monkeypatch.setenv(import_upload.ENDPOINT, "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    assert "AWS_ACCESS_KEY_ID: is not set" in thaw("template.yaml", *GIVEN, "--upload")[2]


@pytest.mark.usefixtures("binary")
def test_a_gateway_that_does_not_answer_is_named(thaw, lam: FakeLambda, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(import_upload.ENDPOINT, "http://thaw.example")

    def unreachable(**_: Any) -> None:
        raise EndpointConnectionError(endpoint_url="http://thaw.example")

    monkeypatch.setattr(lam, "get_function_configuration", unreachable)
    code, _, err = thaw("template.yaml", *GIVEN, "--upload")
    assert code == 2
    assert "thaw: Gateway http://thaw.example: Could not connect" in err
