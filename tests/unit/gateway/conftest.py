from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import boto3
import pytest
from botocore.config import Config

from unit.gateway.world import KEY_ID, SECRET, World


@pytest.fixture
async def world(request: pytest.FixtureRequest):
    found = World(**getattr(request, "param", {}))
    await found.serve()
    yield found
    await found.close()


Client = Callable[..., Awaitable[Any]]


class Lambda:
    """A real boto3 client, whose blocking calls run beside the loop: ``await lam.get_function(…)``."""

    def __init__(self, endpoint: str, key: str = KEY_ID, secret: str = SECRET) -> None:
        self.client = boto3.client(
            "lambda",
            endpoint_url=endpoint,
            region_name="us-east-1",
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            config=Config(retries={"max_attempts": 0}, read_timeout=30, connect_timeout=5, max_pool_connections=50),
        )

    def __getattr__(self, operation: str) -> Client:
        call = getattr(self.client, operation)

        async def run(**arguments: Any) -> Any:
            def work() -> Any:
                answer = call(**arguments)
                if "Payload" in answer:
                    answer["Body"] = answer["Payload"].read()
                return answer

            return await asyncio.to_thread(work)

        return run


@pytest.fixture
def lam(world: World) -> Lambda:
    return Lambda(world.endpoint)
