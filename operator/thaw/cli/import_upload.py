"""``thaw import --upload``: packages go into the code store by the Lambda API, as any client's do.

The store keeps what functions use, so a package belongs to its Function from the first: UpdateFunctionCode, or, of a
function that is not there yet, CreateFunction.
"""

from __future__ import annotations

import base64
import os
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import botocore.session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from thaw.errors import InvokeError, Unavailable, UserError
from thaw.iac.document import Json

ENDPOINT = "THAW_ENDPOINT"
_REGION = "us-east-1"
_NO_ROLE = "arn:aws:iam::000000000000:role/none"
"""The API wants a role, as on Lambda; the manifest, applied next, says what it is."""


def upload(manifests: Iterable[Json], packages: Mapping[str, bytes]) -> None:
    """Makes sure that every package is in the store. Functions made on the way are removed when a later one fails.

    :raises UserError: nothing says where the API is, or who calls it.
    :raises InvokeError: the API refused.
    :raises Unavailable: it did not answer.
    """
    client = _client()
    specs = {manifest["metadata"]["name"]: manifest["spec"] for manifest in manifests if manifest["kind"] == "Function"}
    made: list[str] = []
    try:
        for name, package in sorted(packages.items()):
            if _upload(client, name, specs[name], package):
                made.append(name)
    except ClientError as error:
        _undo(client, made)
        said = error.response["Error"]
        raise InvokeError(
            error.response["ResponseMetadata"]["HTTPStatusCode"], said["Code"], said["Message"]
        ) from error
    except BotoCoreError as error:
        raise Unavailable("Gateway", "", os.environ[ENDPOINT], str(error)) from error


def _client() -> Any:
    endpoint = os.environ.get(ENDPOINT, "")
    if not endpoint:
        raise UserError(ENDPOINT, "is not set", "--upload needs the gateway's URL there")
    session = botocore.session.get_session()
    if session.get_credentials() is None:
        raise UserError("AWS_ACCESS_KEY_ID", "is not set", "--upload needs an access key of Thaw's")
    region = session.get_config_variable("region") or _REGION
    # What is sent can be 50 MB, and is kept by every node before there is an answer.
    config = Config(retries={"max_attempts": 2}, connect_timeout=5, read_timeout=120)
    return session.create_client("lambda", region_name=region, endpoint_url=endpoint, config=config)


def _upload(client: Any, name: str, spec: Json, package: bytes) -> bool:
    """Uploads one package unless it is there.

    :returns: whether the function was made for it.
    """
    sha = base64.b64encode(bytes.fromhex(spec["code"]["zip"]["sha256"])).decode()
    try:
        if client.get_function_configuration(FunctionName=name)["CodeSha256"] == sha:
            sys.stderr.write(f"note: {name}: its package is in the store already\n")
            return False
        client.update_function_code(FunctionName=name, ZipFile=package)
    except client.exceptions.ResourceNotFoundException:
        chosen = {"Runtime": spec["runtime"], "Handler": spec["handler"], "Role": spec["role"] or _NO_ROLE}
        client.create_function(FunctionName=name, Code={"ZipFile": package}, **chosen)
        sys.stderr.write(f"note: {name}: made, with its package of {len(package)} bytes\n")
        return True
    sys.stderr.write(f"note: {name}: its new package of {len(package)} bytes is in the store\n")
    return False


def _undo(client: Any, made: Iterable[str]) -> None:
    for name in made:
        client.delete_function(FunctionName=name)
        sys.stderr.write(f"note: {name}: removed again\n")
