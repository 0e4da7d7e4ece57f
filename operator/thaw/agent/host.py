"""Programs of the node itself, run in its mount namespace from the agent's privileged container."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass(frozen=True)
class Outcome:
    """What a program answered."""

    status: int
    output: str
    """Both streams, for people and for version numbers."""


class Host:
    """Runs the node's programs by way of its first process (hostPID)."""

    async def run(self, *command: str, all_namespaces: bool = False, timeout: float = 30.0) -> Outcome:
        """Runs one program to its end; one that is missing or too slow has status 127 or 124, as in a shell.

        :param all_namespaces: also enter the node's other namespaces, as ``systemctl`` wants.
        """
        enter = ["nsenter", "-t", "1", "-a" if all_namespaces else "-m", "--"]
        try:
            process = await asyncio.create_subprocess_exec(
                *enter,
                *command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
        except OSError as e:
            return Outcome(127, f"nsenter: {e}")
        try:
            async with asyncio.timeout(timeout):
                output, _ = await process.communicate()
        except TimeoutError:
            process.kill()
            await process.wait()
            return Outcome(124, f"{command[0]} took longer than {timeout:g} s")
        return Outcome(process.returncode or 0, output.decode(errors="replace").strip())
