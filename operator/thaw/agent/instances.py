"""Pods on this node: the agent's word for them (grants, tokens) and thaw-runc's word of them (reports)."""

from __future__ import annotations

import asyncio
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from pydantic import Field, ValidationError

from thaw import names
from thaw.agent.errors import Refused
from thaw.agent.files import read_small, write_atomic
from thaw.agent.metrics import Metrics
from thaw.agent.paths import Paths
from thaw.api.base import Model
from thaw.api.node import GrantRequest, NeededSecret, Report
from thaw.errors import UserError

POLL = 0.005
_GONE = 60.0
"""Seconds after which the grant of a container that was deleted is taken back."""
_UNUSED = 3600.0
"""Seconds after which a grant that no container ever used is: a great image may take its time."""
_UID = re.compile(r"[0-9a-f][0-9a-f-]{7,63}")


class Grant(Model):
    """What a pod may do, as thaw-runc reads it."""

    pod_uid: str = Field(alias="podUID")
    namespace: str
    name: str
    container: str = names.FUNCTION_CONTAINER
    role: str
    wrap: bool
    code_dir: str = ""
    snapshot_dir: str = ""
    cold_fallback: bool = True
    secrets: tuple[NeededSecret, ...] = ()


def check_uid(uid: str) -> str:
    """A pod's UID as it may appear in a path.

    :raises Refused: 400 for anything else.
    """
    if not _UID.fullmatch(uid):
        raise Refused(400, "Invalid", f"not a pod's UID: {uid[:80]!r}")
    return uid


class Instances:
    """The files below ``/run/thaw``.

    :param now: Unix seconds.
    """

    def __init__(self, paths: Paths, metrics: Metrics, now: Callable[[], float] = time.time) -> None:
        self._paths, self._metrics, self._now = paths, metrics, now
        self._reported: set[str] = set()
        self._missing: dict[str, float] = {}

    def grant(self, uid: str, request: GrantRequest, *, code: Path | None, snapshot: Path | None) -> None:
        """Vouches for a pod: what thaw-init reads first, then, for thaw-runc waits for it, the grant.

        :raises UserError: the token could be guessed, or would not survive a header.
        """
        if len(request.token) < 32 or not re.fullmatch(r"[\x21-\x7e]{32,1024}", request.token):
            raise UserError("token", "is not 32 to 1024 printable characters", "use 32 random bytes, in hexadecimal")
        folder = self._paths.pods / check_uid(uid)
        folder.mkdir(mode=0o755, exist_ok=True)
        folder.chmod(0o755)
        write_atomic(folder / "token", request.token.encode(), 0o444)
        write_atomic(folder / "credentials.json", request.credentials.model_dump_json(by_alias=True).encode(), 0o444)
        grant = Grant(
            pod_uid=uid,
            namespace=request.namespace,
            name=request.name,
            role=request.role,
            wrap=request.protocol == "lambda",
            code_dir=self._paths.told(code) if code else "",
            snapshot_dir=self._paths.told(snapshot) if snapshot else "",
            cold_fallback=request.cold_fallback,
            secrets=request.secrets,
        )
        write_atomic(self._grant_file(uid), grant.model_dump_json(by_alias=True).encode())

    def report(self, uid: str) -> Report | None:
        """What thaw-runc says of a pod's container now; None before it says anything."""
        data = read_small(self._paths.reports / f"{check_uid(uid)}.json", 64 << 10)
        if data is None:
            return None
        try:
            return Report.model_validate_json(data)
        except ValidationError as e:
            raise Refused(500, "InternalError", f"thaw-runc's report of {uid} cannot be read: {e}") from e

    async def wait(self, uid: str, seconds: float) -> Report:
        """The report, once the container is more than created.

        A stat of a tmpfs every five milliseconds: cheaper than it sounds, and nothing to set up or to leak.

        :raises Refused: 404 when there is none in time.
        """
        deadline = time.monotonic() + seconds
        while True:
            report = self.report(uid)
            if report is not None and report.state != "created":
                self._count(uid, report)
                return report
            if time.monotonic() >= deadline:
                raise Refused(404, "NotFound", f"pod {uid} has not started here", retryable=True)
            await asyncio.sleep(POLL)

    def drop(self, uid: str) -> None:
        """Takes back everything said of a pod; also when nothing was."""
        check_uid(uid)
        self._grant_file(uid).unlink(missing_ok=True)
        (self._paths.reports / f"{uid}.json").unlink(missing_ok=True)
        shutil.rmtree(self._paths.pods / uid, ignore_errors=True)
        self._reported.discard(uid)
        self._missing.pop(uid, None)

    def running(self) -> list[str]:
        """UIDs of the pods whose containers thaw-runc made and has not deleted."""
        return sorted(path.stem for path in self._paths.reports.glob("[0-9a-f]*.json"))

    def code_in_use(self) -> set[str]:
        """Names of the code folders that pods are granted.

        :raises Refused: a grant cannot be read, so nobody knows.
        """
        found = set()
        for path in self._paths.grants.glob("[0-9a-f]*.json"):
            data = read_small(path, 64 << 10)
            if data is None:
                continue  # taken back meanwhile
            try:
                grant = Grant.model_validate_json(data)
            except ValidationError as e:
                raise Refused(500, "InternalError", f"the grant {path.name} cannot be read: {e}") from e
            if grant.code_dir:
                found.add(Path(grant.code_dir).name)
        return found

    def sweep(self) -> list[str]:
        """Takes back the grants of pods that are over; tells whose. Called every few seconds."""
        dropped = []
        reports = set(self.running())
        granted = {path.stem: path for path in self._paths.grants.glob("[0-9a-f]*.json")}
        for uid, path in granted.items():
            if self._over(uid, path, reported=uid in reports):
                self.drop(uid)
                dropped.append(uid)
        self._metrics.grants.set(len(granted) - len(dropped))
        for folder in self._paths.pods.iterdir():
            # Left by a crash between token and grant.
            if folder.name not in granted and self._age(folder) > _UNUSED:
                shutil.rmtree(folder, ignore_errors=True)
        return dropped

    def _over(self, uid: str, path: Path, *, reported: bool) -> bool:
        if reported:
            self._reported.add(uid)
            self._missing.pop(uid, None)
            return False
        if uid in self._reported:
            return self._now() - self._missing.setdefault(uid, self._now()) >= _GONE
        return self._age(path) > _UNUSED

    def _age(self, path: Path) -> float:
        try:
            return self._now() - path.lstat().st_mtime
        except OSError:
            return 0.0

    def _count(self, uid: str, report: Report) -> None:
        if uid in self._reported:
            return
        self._reported.add(uid)
        if report.state == "restored":
            self._metrics.restore_seconds.observe(report.restore_ms / 1000)
        fallback = "fallback" if report.restore_error else "cold"
        self._metrics.restores.labels(fallback if report.state == "started" else report.state).inc()

    def _grant_file(self, uid: str) -> Path:
        return self._paths.grants / f"{uid}.json"
