"""The gateway, called by its URL or through a port-forward to one of its pods."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import yarl

from thaw import names
from thaw.cli import credentials
from thaw.cli.credentials import Asked, Credentials
from thaw.cli.session import Session
from thaw.errors import CommandError, Forbidden, InvokeError, UserError
from thaw.kube.kinds import POD
from thaw.kube.pods import is_ready
from thaw.kube.portforward import Forward, forward

_ANSWER = 30.0
_CONNECT = 5.0
_HINTS = {
    "AccessDeniedException": "these credentials are not for that, or not for that namespace",
    "InvalidSignatureException": "these credentials are not the gateway's",
    "ResourceConflictException": "thaw top shows its state",
    "ResourceNotFoundException": "thaw top lists functions and versions",
    "UnrecognizedClientException": "these credentials are not the gateway's",
}


@dataclass(frozen=True)
class Answer:
    """What the gateway answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Gateway:
    """One gateway, and as whom it is called."""

    def __init__(
        self, url: str, shown: str, who: Credentials, http: aiohttp.ClientSession, forwarded: Forward | None = None
    ) -> None:
        self.shown, self.who = shown, who
        self._url, self._http, self._forwarded = url.rstrip("/"), http, forwarded

    async def call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        timeout: float = _ANSWER,
    ) -> Answer:
        """One request.

        :raises InvokeError: the gateway answered with an error.
        :raises CommandError: it did not answer.
        """
        url = self._url + quote(path) + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        signed = self.who.headers(method, url, body, {"Content-Type": "application/json", **(headers or {})})
        limits = aiohttp.ClientTimeout(total=timeout, sock_connect=_CONNECT)
        try:
            # As it was signed: not to be quoted another way.
            at = yarl.URL(url, encoded=True)
            async with self._http.request(method, at, data=body, headers=signed, timeout=limits) as answer:
                found = Answer(answer.status, answer.headers, await answer.read())
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            raise self._silent(e) from e
        if found.status >= 400:
            raise refusal(found)
        return found

    def _silent(self, error: Exception) -> CommandError:
        why = (self._forwarded.trouble if self._forwarded else "") or str(error) or type(error).__name__
        fix = "thaw doctor looks for the cause" if self._forwarded else "check --endpoint, or leave it out"
        return CommandError(f"the gateway {self.shown} did not answer: {why}", fix)


def refusal(answer: Answer) -> InvokeError:
    """An error of the gateway's, as it said it, with what can be done about it."""
    kind = answer.headers.get("x-amzn-errortype", "").partition(":")[0] or f"HTTP {answer.status}"
    text = " ".join(_message(answer.body).split())
    hint = _HINTS.get(kind, "")
    return InvokeError(answer.status, kind, f"{text} ({hint})" if hint else text)


def _message(body: bytes) -> str:
    try:
        said: Any = json.loads(body)
    except ValueError:
        said = None
    if isinstance(said, dict):
        return str(said.get("message") or said.get("Message") or said)
    return body[:300].decode(errors="replace") or "no reason given"


@asynccontextmanager
async def opened(session: Session, asked: Asked, *, every: bool = False) -> AsyncIterator[list[Gateway]]:
    """The gateway at the endpoint, else one of those in the cluster.

    :param every: all those in the cluster, not one: each knows only what it did itself.
    :raises CommandError: there is none, or nothing to call it with.
    """
    who = await credentials.choose(session, asked)
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(aiohttp.ClientSession(trust_env=bool(asked.endpoint)))
        if asked.endpoint:
            yield [Gateway(_checked(asked.endpoint), f"at {asked.endpoint}", who, http)]
            return
        gateways = []
        for pod in (await pods(session, asked.system_namespace))[: None if every else 1]:
            through = forward(await session.kube(), asked.system_namespace, pod, names.GATEWAY_PORT)
            forwarded = await stack.enter_async_context(through)
            gateways.append(Gateway(forwarded.url, f"in pod {pod}", who, http, forwarded))
        yield gateways


async def pods(session: Session, system: str) -> list[str]:
    """Names of the gateway's pods that are ready.

    :raises CommandError: there are none.
    """
    fix = f"kubectl get pods -n {system}; thaw doctor looks for the cause"
    try:
        found, _ = await (await session.kube()).list(POD, system, f"{names.LABEL_COMPONENT}=gateway")
    except Forbidden as e:
        raise CommandError(f"no way to the gateway: {e.message}", "give its URL: --endpoint or THAW_ENDPOINT") from e
    ready = [str(pod["metadata"]["name"]) for pod in found if is_ready(pod)]
    if not ready:
        raise CommandError(f"no gateway is ready in namespace {system}", fix)
    return sorted(ready)


def _checked(endpoint: str) -> str:
    url = yarl.URL(endpoint)
    if url.scheme not in ("http", "https") or not url.host:
        raise UserError("--endpoint", f"{endpoint} is no URL", "write e.g. https://thaw.example.org")
    return endpoint
