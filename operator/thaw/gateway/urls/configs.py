"""The Lambda API's operations on function URLs, which are a part of the Function's spec: ``spec.urls``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from thaw import names
from thaw.api.v1alpha1 import Cors, Function
from thaw.errors import InvokeError
from thaw.gateway import answers, shapes
from thaw.gateway.arns import Arns, Named
from thaw.gateway.functions import Functions
from thaw.gateway.urls.addresses import Addresses
from thaw.gateway.watch import Watch
from thaw.kube.client import Kube, Object
from thaw.kube.kinds import FUNCTION

Json = dict[str, Any]
_CORS = {
    "AllowCredentials": "allowCredentials",
    "AllowHeaders": "allowHeaders",
    "AllowMethods": "allowMethods",
    "AllowOrigins": "allowOrigins",
    "ExposeHeaders": "exposeHeaders",
    "MaxAge": "maxAge",
}


@dataclass(frozen=True)
class UrlConfigs:
    """Operations, each in one namespace; the request is asked where it found the gateway."""

    kube: Kube
    watch: Watch
    functions: Functions
    arns: Arns
    addresses: Addresses

    async def create(self, namespace: str, named: Named, body: Json, request: web.Request) -> Json:
        """CreateFunctionUrlConfig."""
        key = self._key(namespace, named)

        def make(raw: Object) -> Json:
            if Function.model_validate(raw).spec.protocol != "lambda":
                path = f"/{namespace}/{named.function}/"
                raise answers.invalid(f"The function speaks plain HTTP: it is at the gateway's {path} without a URL.")
            if key in raw["spec"].get("urls", {}):
                text = f"FunctionUrlConfig exists for this Lambda function: {self._arn(named.function, key)}"
                raise answers.conflict(text)
            return {"urls": {key: _url(body)}}

        made = await self.functions.change(namespace, named.function, make)
        made = await self._stamp(made, key, datetime.now(UTC))
        return _without_modified(self._shape(made, key, request))

    async def get(self, namespace: str, named: Named, request: web.Request) -> Json:
        """GetFunctionUrlConfig."""
        key = self._key(namespace, named)
        raw = await self.functions.read(namespace, named.function)
        self._must_be(raw, key)
        return self._shape(raw, key, request)

    async def update(self, namespace: str, named: Named, body: Json, request: web.Request) -> Json:
        """UpdateFunctionUrlConfig; an empty Cors takes it away."""
        key = self._key(namespace, named)

        def make(raw: Object) -> Json:
            self._must_be(raw, key)
            return {"urls": {key: _url(body)}}

        return self._shape(await self.functions.change(namespace, named.function, make), key, request)

    async def delete(self, namespace: str, named: Named) -> None:
        """DeleteFunctionUrlConfig."""
        key = _qualifier(named)

        def make(raw: Object) -> Json:
            self._must_be(raw, key)
            return {"urls": {key: None}}

        await self._stamp(await self.functions.change(namespace, named.function, make), key, None)

    async def list_all(self, namespace: str, function: str, request: web.Request) -> list[Json]:
        """ListFunctionUrlConfigs, without paging."""
        raw = await self.functions.read(namespace, function)
        return [self._shape(raw, key, request) for key in sorted(raw["spec"].get("urls", {}))]

    def _key(self, namespace: str, named: Named) -> str:
        """The key in ``spec.urls``; an alias has to be there."""
        key = _qualifier(named)
        if key != names.LATEST and self.watch.alias(namespace, named.function, key) is None:
            raise answers.not_found(self.arns.function(named.function, key))
        return key

    def _must_be(self, raw: Object, key: str) -> None:
        if key not in raw["spec"].get("urls", {}):
            raise InvokeError(404, "ResourceNotFoundException", "The resource you requested does not exist.")

    def _arn(self, function: str, key: str) -> str:
        return self.arns.function(function, "" if key == names.LATEST else key)

    def _shape(self, raw: Object, key: str, request: web.Request) -> Json:
        function = Function.model_validate(raw)
        url, meta = function.spec.urls[key], function.metadata
        written = shapes.modified(raw, "urls", key) or meta.creation_timestamp
        shape: Json = {
            "FunctionUrl": self.addresses.address(names.url_id(meta.uid, key), request),
            "FunctionArn": self._arn(meta.name, key),
            "AuthType": url.auth_type,
            "InvokeMode": url.invoke_mode,
            "CreationTime": _time(_stamps(raw).get(key) or str(meta.creation_timestamp or "")),
            "LastModifiedTime": _time(str(written or "")),
        }
        if url.cors is not None:
            shape["Cors"] = _cors_shape(url.cors)
        return shape

    async def _stamp(self, raw: Object, key: str, at: datetime | None) -> Object:
        """Notes when a URL was made; of one that a manifest made, the function's own time has to do."""
        stamps: dict[str, str | None] = {**_stamps(raw), key: at.isoformat() if at else None}
        kept = {name: stamp for name, stamp in stamps.items() if stamp and name in raw["spec"].get("urls", {})}
        value = json.dumps(kept) if kept else None
        body = {"metadata": {"annotations": {names.ANNOTATION_URLS_CREATED: value}}}
        meta = raw["metadata"]
        return await self.kube.patch(FUNCTION, meta["namespace"], meta["name"], body)


def _qualifier(named: Named) -> str:
    key = named.qualifier or names.LATEST
    if key.isdigit():
        raise answers.invalid(
            f"1 validation error detected: Value '{key}' at 'qualifier' failed to satisfy constraint: "
            "Member must be an alias: a version's number has no URL"
        )
    return key


def _url(body: Json) -> Json:
    """The members that are given, as a merge patch of a URL."""
    patch: Json = {}
    if "AuthType" in body:
        patch["authType"] = body["AuthType"]
    if "InvokeMode" in body:
        patch["invokeMode"] = body["InvokeMode"]
    if "Cors" in body:
        patch["cors"] = _cors(body["Cors"])
    return patch


def _cors(given: Json) -> Json | None:
    """All fields, so that none of before is left; none at all for an empty one."""
    if not given:
        return None
    said = {ours: given[theirs] for theirs, ours in _CORS.items() if given.get(theirs) is not None}
    return {**Cors().model_dump(mode="json", by_alias=True), **said}


def _cors_shape(found: Cors) -> Json:
    whole = found.model_dump(mode="json", by_alias=True)
    return {theirs: whole[ours] for theirs, ours in _CORS.items() if whole[ours]}


def _without_modified(shape: Json) -> Json:
    return {name: value for name, value in shape.items() if name != "LastModifiedTime"}


def _stamps(raw: Object) -> dict[str, str]:
    text = raw["metadata"].get("annotations", {}).get(names.ANNOTATION_URLS_CREATED, "")
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return {k: v for k, v in found.items() if isinstance(v, str)} if isinstance(found, Mapping) else {}


def _time(text: str) -> str:
    """As Lambda writes times of URLs: 2026-01-31T10:00:00.000Z."""
    try:
        at = datetime.fromisoformat(text).astimezone(UTC)
    except ValueError:
        at = datetime.fromtimestamp(0, UTC)
    return at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03d}Z"
