"""Who signed a request."""

from __future__ import annotations

from datetime import UTC, datetime

from aiohttp import web

from thaw.gateway import auth
from thaw.gateway.lambda_api import BODY


async def signed_by(request: web.Request, keys: auth.AccessKeys) -> auth.AccessKey:
    """The access key of a request's signature; reads the body when the signature covers it.

    :raises InvokeError: 403, there is no valid one.
    """
    path, _, query = request.raw_path.partition("?")
    signed = auth.Request(request.method, path, query, [(k, v) for k, v in request.headers.items()])
    signature, key = auth.identify(signed, keys.find, datetime.now(UTC))
    unsigned = signed.header("x-amz-content-sha256") == auth.UNSIGNED
    body = b"" if unsigned else await request.read()
    auth.verify(signed, signature, key, body)
    if not unsigned:
        request[BODY] = body
    return key
