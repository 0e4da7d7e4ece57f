"""SAM, CloudFormation and CDK templates: imported, applied with kubectl, published, and they answer."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cdk_app
from e2e.support import eventually, header, invoke, state

SAM = """
Transform: AWS::Serverless-2016-10-31
Parameters: {Name: {Type: String}}
Globals:
  Function: {Timeout: 10, SnapStart: {ApplyOn: PublishedVersions}}
Resources:
  HelloWorldFunction:
    Type: AWS::Serverless::Function
    Properties:
      FunctionName: !Ref Name
      Runtime: python3.13
      Handler: app.lambda_handler
      CodeUri: hello_world/
      AutoPublishAlias: live
      Policies: [AWSLambdaBasicExecutionRole]
"""
CLOUDFORMATION = """
Parameters: {Name: {Type: String}}
Resources:
  Hello:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: !Ref Name
      Runtime: nodejs22.x
      Handler: index.handler
      Timeout: 10
      Role: !GetAtt Role.Arn
      Code:
        ZipFile: !Sub |
          exports.handler = async (event) => `${!event.name} of ${Name}`;
      SnapStart: {ApplyOn: PublishedVersions}
  Version: {Type: AWS::Lambda::Version, Properties: {FunctionName: !Ref Hello}}
  Alias:
    Type: AWS::Lambda::Alias
    Properties: {FunctionName: !Ref Hello, FunctionVersion: '1', Name: stable}
  Role: {Type: AWS::IAM::Role}
"""
PACKAGED = "from pathlib import Path\n\nDATA = Path(__file__).with_name('data.bin').read_bytes()\n\n"


@pytest.fixture
def bring(name: str, tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Imports and applies a template; gives what the import said. What was applied is gone afterwards."""
    applied = []

    def run(template: str | Path, *arguments: str) -> str:
        if isinstance(template, str):
            (tmp_path / "template.yaml").write_text(template)
            template = tmp_path / "template.yaml"
        out = tmp_path / f"manifests-{len(applied)}.yaml"
        program = str(Path(sys.executable).with_name("thaw"))
        command = [program, "import", str(template), "--out", str(out), *arguments]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        kubectl("apply", "-f", str(out))
        applied.append(out)
        return done.stderr

    yield run
    for out in reversed(applied):
        kubectl("delete", "--ignore-not-found", "--timeout=120s", "-f", str(out))


def kubectl(*arguments: str) -> None:
    done = subprocess.run(["kubectl", *arguments], check=False, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr


def alias_at(cluster: Any, name: str, number: str) -> Any:
    def there() -> bool:
        return any(
            (a["spec"]["functionName"], a["spec"]["functionVersion"]) == (name, number)
            for a in cluster.objects("functionaliases")
        )

    return eventually(f"an alias of {name} on {number}", there, 180)


def test_sam(cluster, lam, name, bring, tmp_path):
    (tmp_path / "hello_world").mkdir()
    source = "def lambda_handler(event, context):\n    return {'statusCode': 200, 'body': event['name']}\n"
    (tmp_path / "hello_world/app.py").write_text(source)
    told = bring(SAM, "--parameter", f"Name={name}")
    assert "Policies: left out" in told
    state(cluster, f"{name}-1", "Active")
    alias_at(cluster, name, "1")
    answer, response = invoke(lam, name, {"name": "Bob"}, "live")
    assert answer == {"statusCode": 200, "body": "Bob"}
    assert header(response, "x-thaw-start") == "restore"


def test_cloudformation(cluster, lam, name, bring):
    bring(CLOUDFORMATION, "--parameter", f"Name={name}")
    state(cluster, f"{name}-version", "Active")
    alias_at(cluster, name, "1")
    answer, response = invoke(lam, name, {"name": "Bob"}, "stable")
    assert answer == f"Bob of {name}"
    assert header(response, "x-amz-executed-version") == "1"


def test_cdk(cluster, lam, name, bring, tmp_path):
    template = cdk_app.synthesised(tmp_path / "cdk.out")
    bring(template, "--parameter", f"Prefix={name}")
    state(cluster, f"{name}-greet-1", "Active")
    alias_at(cluster, f"{name}-greet", "1")
    assert invoke(lam, f"{name}-greet", {"name": "Bob"}, "live")[0] == "hello Bob"
    state(cluster, f"{name}-low-lowversion", "Active")
    assert invoke(lam, f"{name}-low", None, "1")[0] == "low"


def test_a_package_is_uploaded_and_its_manifest_applied(cluster, lam, name, bring, tmp_path):
    (tmp_path / "hello_world").mkdir()
    (tmp_path / "hello_world/data.bin").write_bytes(b"\x00\xff")
    (tmp_path / "hello_world/app.py").write_text(f"{PACKAGED}def lambda_handler(event, context): return list(DATA)\n")
    arguments = ("--parameter", f"Name={name}", "--upload")
    assert f"{name}: made, with its package" in bring(SAM, *arguments)
    state(cluster, f"{name}-1", "Active")
    alias_at(cluster, name, "1")
    assert invoke(lam, name, None, "live")[0] == [0, 255]
    spec = cluster.get("functions", name)["spec"]
    assert spec["role"] == ""
    assert spec["code"]["zip"]["size"] > 0

    (tmp_path / "hello_world/app.py").write_text(f"{PACKAGED}def lambda_handler(event, context): return len(DATA)\n")
    assert "its new package" in bring(SAM, *arguments)
    alias_at(cluster, name, "2")
    assert invoke(lam, name, None, "live")[0] == 2
    made = [v["status"]["version"] for v in cluster.objects("functionversions") if v["spec"]["functionName"] == name]
    assert made == ["1", "2"]
