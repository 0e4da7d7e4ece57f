"""The SnapStart page's walk-through, typed with the real ``aws`` command."""

from __future__ import annotations

import json

from e2e.support import package, source


def test_activate_publish_confirm_invoke(aws, name, tmp_path):
    """update-function-configuration, publish-version, get-function-configuration, invoke: as on the page."""
    archive = tmp_path / "function.zip"
    archive.write_bytes(package(source("hooks")))
    aws(
        "create-function", "--function-name", name, "--runtime", "python3.13", "--handler", "app.handler",
        "--role", "arn:aws:iam::111122223333:role/lambda-role", "--zip-file", f"fileb://{archive}", "--timeout", "10",
    )  # fmt: skip
    aws("wait", "function-active-v2", "--function-name", name)

    changed = aws("update-function-configuration", "--function-name", name, "--snap-start", "ApplyOn=PublishedVersions")
    assert changed["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "Off"}
    aws("wait", "function-updated-v2", "--function-name", name)

    published = aws("publish-version", "--function-name", name)
    assert published["Version"] == "1"
    aws("wait", "published-version-active", "--function-name", name, "--qualifier", "1")
    confirmed = aws("get-function-configuration", "--function-name", f"{name}:1")
    assert confirmed["SnapStart"] == {"ApplyOn": "PublishedVersions", "OptimizationStatus": "On"}

    answer = tmp_path / "answer.json"
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"name": "Bob"}))
    told = aws("invoke", "--function-name", name, "--qualifier", "1", "--payload", f"fileb://{event}", str(answer))
    assert told["StatusCode"] == 200
    assert told["ExecutedVersion"] == "1"
    body = json.loads(answer.read_text())
    assert body["event"] == {"name": "Bob"}
    assert body["calls"] == ["before-2", "before-1", "after-1", "after-2"]
    assert body["version"] == "1"

    versions = aws("list-versions-by-function", "--function-name", name)["Versions"]
    assert [v["Version"] for v in versions] == ["$LATEST", "1"]
    assert name in [f["FunctionName"] for f in aws("list-functions")["Functions"]]
    aws("delete-function", "--function-name", name)
