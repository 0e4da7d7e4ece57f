"""As whom the gateway is called: with a Kubernetes bearer token, or with an access key, which signs requests."""

from __future__ import annotations

import base64
import os
from dataclasses import dataclass
from typing import Protocol

import botocore.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from botocore.exceptions import BotoCoreError

from thaw import names
from thaw.cli.session import Session
from thaw.errors import ClusterError, CommandError
from thaw.kube.client import Object
from thaw.kube.kinds import POD, SECRET

_REGION = "us-east-1"
_WHOLE = frozenset({"accessKeyId", "secretAccessKey", "namespace"})


@dataclass(frozen=True)
class Asked:
    """What the options say of it."""

    endpoint: str = ""
    token: str = ""
    service_account: str = ""
    system_namespace: str = names.SYSTEM_NAMESPACE
    strict: bool = False
    """Whether the namespace is meant also where only the kubeconfig says it; else a key may bring its own."""


class NoCredentials(CommandError):
    """There is nothing to call the gateway with."""


class Credentials(Protocol):
    """What a request has to show."""

    @property
    def shown(self) -> str:
        """For people: what they are, and whose."""

    def headers(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> dict[str, str]:
        """The request's headers with what it has to show."""


@dataclass(frozen=True)
class Bearer:
    """A Kubernetes token, which says who calls, and the namespace of the functions, which it does not say."""

    token: str
    namespace: str
    shown: str

    def headers(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> dict[str, str]:  # noqa: ARG002
        """The request's headers with the token."""
        return headers | {"Authorization": f"Bearer {self.token}", names.NAMESPACE_HEADER: self.namespace}


@dataclass(frozen=True)
class AccessKey:
    """A key of the Lambda API, which is for one namespace.

    :param namespace: the one that is meant; the gateway refuses a key for another. Empty: whichever the key is for.
    """

    key: BotocoreCredentials
    region: str
    shown: str
    namespace: str = ""

    def headers(self, method: str, url: str, body: bytes, headers: dict[str, str]) -> dict[str, str]:
        """The request's headers with its signature, version 4."""
        meant = {names.NAMESPACE_HEADER: self.namespace} if self.namespace else {}
        request = AWSRequest(method=method, url=url, data=body, headers=headers | meant)
        SigV4Auth(self.key, "lambda", self.region).add_auth(request)
        return dict(request.headers.items())


async def choose(session: Session, asked: Asked) -> Credentials:
    """The first that there is.

    1. a token that was given;
    2. a token made for the service account that was named;
    3. for an endpoint: AWS credentials, found where ``aws`` finds them;
    4. without one: the kubeconfig's own token. It is not sent to an endpoint, which may be anybody's;
    5. an access key of the namespace, if the caller may read the Secrets of Thaw's namespace.

    :raises NoCredentials: there are none.
    """
    if asked.token:
        return Bearer(asked.token, await session.namespace(), "the token given")
    if asked.service_account:
        namespace = await session.namespace()
        token = await (await session.kube()).token(namespace, asked.service_account)
        return Bearer(token, namespace, f"service account {namespace}/{asked.service_account}")
    if asked.endpoint:
        namespace = await session.namespace() if asked.strict else session.where.namespace
        if found := _of_aws(namespace):
            return found
    if not asked.endpoint and (token := (await session.access()).token):
        return Bearer(token, await session.namespace(), "the kubeconfig's token")
    return await _of_secret(session, asked.system_namespace)


def _of_aws(namespace: str) -> AccessKey | None:
    aws = botocore.session.get_session()
    try:
        key = aws.get_credentials()
    except BotoCoreError as e:
        raise CommandError(f"AWS credentials cannot be read: {e}", "mend ~/.aws, or give --token") from e
    region = aws.get_config_variable("region") or os.environ.get("AWS_REGION") or _REGION
    return AccessKey(key, region, f"access key {key.access_key}", namespace) if key else None


async def _of_secret(session: Session, system: str) -> AccessKey:
    namespace = await session.namespace()
    fix = "give --as-service-account or --token, or --endpoint together with AWS credentials"
    try:
        secrets, _ = await (await session.kube()).list(SECRET, system, f"{names.LABEL_ACCESS_KEY}=true")
    except ClusterError as e:
        raise NoCredentials(f"there is nothing to call the gateway with: {e.message}", fix) from e
    own = [secret for secret in secrets if _text(secret, "namespace") == namespace]
    for secret in sorted(own, key=_preference):
        key = BotocoreCredentials(_text(secret, "accessKeyId"), _text(secret, "secretAccessKey"))
        shown = f"access key of Secret {system}/{secret['metadata']['name']}"
        return AccessKey(key, await _region(session, system), shown, namespace)
    raise NoCredentials(f"no access key in {system} is for namespace {namespace}", fix)


def _preference(secret: Object) -> tuple[bool, str]:
    """Keys that may do everything come first."""
    return set(secret.get("data") or {}) > _WHOLE, str(secret["metadata"]["name"])


async def _region(session: Session, system: str) -> str:
    """The region that the gateway wants signatures for, as its pods are told it."""
    pods, _ = await (await session.kube()).list(POD, system, f"{names.LABEL_COMPONENT}=gateway")
    environment = [entry for pod in pods for it in pod["spec"]["containers"] for entry in it.get("env", [])]
    return next((entry["value"] for entry in environment if entry["name"] == "THAW_REGION"), _REGION)


def _text(secret: Object, key: str) -> str:
    return base64.b64decode((secret.get("data") or {}).get(key, "")).decode(errors="replace").strip()
