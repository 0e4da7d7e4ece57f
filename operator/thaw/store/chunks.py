"""Files as chunks: cut at fixed places, named by the SHA-256 of their plaintext, kept as zstd frames.

Fixed places, because a memory image is pages: CRIU writes them whole and in address order, so two dumps of one
program agree chunk by chunk, and content-defined cutting would cost time and find little more.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import zstandard

from thaw.errors import SnapshotCorrupt

THREADS = 2
"""hashlib and zstd let go of the GIL; more threads than this would take the node's processors from its functions."""
_WINDOW = 4 * THREADS
"""Chunks in flight at most: what bounds the memory, whatever the size of a snapshot."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def name_of(data: bytes) -> str:
    """A chunk's name."""
    return hashlib.sha256(data).hexdigest()


def pack(data: bytes, level: int) -> bytes:
    """A chunk as it is stored. Its length is in the frame, and checked before anything is unpacked."""
    return zstandard.ZstdCompressor(level=level, write_content_size=True).compress(data)


def unpack(name: str, stored: bytes, length: int) -> bytes:
    """A stored chunk's plaintext.

    :raises SnapshotCorrupt: it is no frame of that length, or does not hash to its name.
    """
    try:
        # Before unpacking: the frame's own word decides how much memory zstd takes.
        claimed = zstandard.frame_content_size(stored)
        if claimed != length:
            raise SnapshotCorrupt(f"chunk {name[:12]} holds {claimed} bytes, not {length}")
        data = zstandard.ZstdDecompressor().decompress(stored)
    except zstandard.ZstdError as e:
        raise SnapshotCorrupt(f"chunk {name[:12]} is no zstd frame: {e}") from e
    if name_of(data) != name:
        raise SnapshotCorrupt(f"chunk {name[:12]} does not hash to its name")
    return data


def is_sound(name: str, stored: bytes, most: int) -> bool:
    """Whether a stored chunk is what its name says, whatever a manifest says of it.

    :param most: bytes of plaintext that a chunk may hold.
    """
    try:
        claimed = zstandard.frame_content_size(stored)
        return 0 <= claimed <= most and len(unpack(name, stored, claimed)) == claimed
    except (zstandard.ZstdError, SnapshotCorrupt):
        return False


def read(path: Path, size: int) -> Iterator[bytes]:
    """A file's pieces in order."""
    with path.open("rb") as file:
        while piece := file.read(size):
            yield piece


def in_order(work: Callable[[_In], _Out], items: Iterable[_In]) -> Generator[_Out, None, None]:
    """``map`` on a few threads, with a bound on what is in flight; the first failure ends it and is raised."""
    with ThreadPoolExecutor(THREADS, thread_name_prefix="chunks") as pool:
        flight: deque[Future[_Out]] = deque()
        try:
            for item in items:
                flight.append(pool.submit(work, item))
                if len(flight) >= _WINDOW:
                    yield flight.popleft().result()
            while flight:
                yield flight.popleft().result()
        finally:
            for future in flight:
                future.cancel()
