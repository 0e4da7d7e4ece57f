"""``thaw-operator``: runs the operator until SIGTERM. ``thaw-operator uninstall``: takes Thaw off the nodes."""

from __future__ import annotations

import asyncio
import logging
import sys
import threading

import kopf
import structlog

from thaw.controller import alias, function, options, snapshot, startup, uninstall, version
from thaw.controller.options import OperatorSettings

HANDLERS = (startup, function, version, alias, snapshot)
"""Imported for their handlers, which kopf's decorators register."""


Flag = asyncio.Event | threading.Event


async def operate(settings: OperatorSettings, stop: Flag, ready: Flag | None = None) -> None:
    """Runs the operator until ``stop`` is set. It wants an event loop to itself: at its end kopf cancels all else."""
    await kopf.operator(
        clusterwide=True,
        standalone=True,
        settings=kopf.OperatorSettings(),
        memo=kopf.Memo(options=settings, stop=stop),
        stop_flag=stop,
        ready_flag=ready,
    )


def configure_logging(level: str) -> None:
    """JSON lines on standard output, from structlog and from kopf alike."""
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso"),
        structlog.processors.format_exc_info,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.JSONRenderer(),
            ],
        )
    )
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    logging.getLogger("aiohttp").setLevel(logging.WARNING)


async def _until_told(settings: OperatorSettings) -> None:
    await operate(settings, asyncio.Event())


def main() -> None:
    """The command."""
    settings = options.load()
    configure_logging(settings.log_level)
    match sys.argv[1:]:
        case []:
            asyncio.run(_until_told(settings))
        case ["uninstall"]:
            sys.exit(asyncio.run(uninstall.run(settings)))
        case _:
            sys.exit("usage: thaw-operator [uninstall]")


if __name__ == "__main__":
    main()
