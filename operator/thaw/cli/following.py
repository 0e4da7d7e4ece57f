"""A published version followed live: its state, the reasons, and its Events, on stderr."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from rich.text import Text

from thaw.api.v1alpha1 import FunctionVersion
from thaw.cli import output
from thaw.cli.session import Session
from thaw.errors import CommandError
from thaw.kube.client import Object
from thaw.kube.informer import Informer
from thaw.kube.kinds import EVENT, FUNCTION_VERSION

_PATIENCE = 2.0
_COLOURS = {"Active": "green", "Failed": "red", "Warning": "red"}


class Follower:
    """Tells what happens to one version, each thing once."""

    def __init__(self, version: FunctionVersion) -> None:
        self._version = version
        self._console = output.stderr()
        self._changes: asyncio.Queue[tuple[str, Object]] = asyncio.Queue()
        self._said: set[str] = set()
        self._seen: FunctionVersion | None = None

    def add(self, change: str, found: Object) -> None:
        """Takes word of the version or of an Event about it."""
        self._changes.put_nowait((change, found))

    async def until(self, enough: Callable[[FunctionVersion], bool]) -> FunctionVersion:
        """Tells on until the version is as wanted.

        :raises CommandError: it was deleted.
        """
        while not self._changes.empty() or self._seen is None or not enough(self._seen):
            change, found = await self._changes.get()
            if found["kind"] == EVENT.kind:
                self._say(found["type"], found["reason"], found["message"])
                continue
            if change == "DELETED":
                raise CommandError(f"{self._version.metadata.name} was deleted meanwhile", "publish again")
            self._seen = FunctionVersion.model_validate(found)
            status = self._seen.status
            self._say(status.state or "Pending", status.state_reason_code, status.state_reason)
        return self._seen

    def _say(self, mark: str, reason: str, message: str) -> None:
        """A state's reason and the Event of it have the same message."""
        text = " ".join(message.split())
        if text and text not in self._said:
            self._said.add(text)
            told = f"{reason}: {text}" if reason else text
            self._console.print(Text.assemble((f"{mark:8}", _COLOURS.get(mark, "dim")), told))


@asynccontextmanager
async def following(session: Session, version: FunctionVersion) -> AsyncIterator[Follower]:
    """Follows a version: as it is now, as it changes, and its Events, in their order."""
    kube, meta = await session.kube(), version.metadata
    follower = Follower(version)
    fields = {FUNCTION_VERSION: f"metadata.name={meta.name}", EVENT: f"involvedObject.uid={meta.uid}"}
    informers = [
        Informer(kube, kind, namespace=meta.namespace, fields=chosen, on_event=follower.add)
        for kind, chosen in fields.items()
    ]
    watching = [asyncio.create_task(informer.run()) for informer in informers]
    listed = [asyncio.create_task(informer.synced()) for informer in informers]
    try:
        # Events that are there are told before what they led to. Who may not see them does without.
        await asyncio.wait(listed, timeout=_PATIENCE)
        with output.stderr().status(f"publishing {version.spec.function_name}"):
            yield follower
    finally:
        for task in (*watching, *listed):
            task.cancel()
        await asyncio.wait([*watching, *listed])
