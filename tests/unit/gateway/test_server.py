"""What every answer carries, and when the gateway is well."""

from __future__ import annotations

import aiohttp
import pytest
from botocore.exceptions import ClientError

from unit.gateway.conftest import Lambda
from unit.gateway.world import World


async def test_an_answer_without_an_instance_says_so(world: World, lam: Lambda) -> None:
    world.function()
    for kind, status in (("DryRun", 204), ("Event", 202)):
        answer = await lam.invoke(FunctionName="fn", InvocationType=kind)
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        assert answer["StatusCode"] == status
        assert (headers["x-thaw-start"], headers["x-thaw-restore-ms"]) == ("none", "0")
    with pytest.raises(ClientError) as e:
        await lam.invoke(FunctionName="absent")
    headers = e.value.response["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-amzn-errortype"] == "ResourceNotFoundException"
    assert (headers["x-thaw-start"], headers["x-thaw-restore-ms"]) == ("none", "0")


@pytest.mark.parametrize(("path", "status"), [("/default/absent/", 404), ("/default/fn/", 400), ("/", 404)])
async def test_an_error_of_the_proxy_says_so_too(world: World, path: str, status: int) -> None:
    world.function()
    async with aiohttp.ClientSession(world.endpoint) as http, http.get(path) as answer:
        assert answer.status == status
        assert answer.headers["X-Thaw-Start"] == "none"
        assert answer.headers["X-Thaw-Restore-Ms"] == "0"
