"""Which cluster and namespace a command is about, and the connection to it, made when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self, TypeVar

import typer

from thaw.kube import kubeconfig
from thaw.kube.client import Kube

INTERRUPTED = 130
_T = TypeVar("_T")


@dataclass(frozen=True)
class Where:
    """What the options say; empty for what the kubeconfig says."""

    namespace: str = ""
    context: str = ""
    kubeconfig: str = ""


class Session:
    """One command's connection to the cluster."""

    def __init__(self, where: Where) -> None:
        self.where = where
        self._access: kubeconfig.Access | None = None
        self._kube: Kube | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._kube is not None:
            await self._kube.close()

    async def access(self) -> kubeconfig.Access:
        """What the kubeconfig gives.

        :raises UserError: there is none, or it is broken.
        """
        if self._access is None:
            self._access = await kubeconfig.load(self.where.kubeconfig, self.where.context)
        return self._access

    async def kube(self) -> Kube:
        """The Kubernetes API."""
        if self._kube is None:
            self._kube = (await self.access()).connect()
        return self._kube

    async def namespace(self) -> str:
        """The namespace of the functions: the option's, else the context's."""
        return self.where.namespace or (await self.access()).namespace


def run(where: Where, command: Callable[[Session], Awaitable[_T]]) -> _T:
    """Runs a command's work. An interrupt ends it quietly, with the exit code that shells expect."""

    async def work() -> _T:
        async with Session(where) as session:
            return await command(session)

    try:
        return asyncio.run(work())
    except KeyboardInterrupt:
        raise typer.Exit(INTERRUPTED) from None
