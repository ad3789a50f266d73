"""Finished files in a folder of this machine. Reading and deleting happen in threads: a disk may make one wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

CHUNK: Final = 256 * 1024  # bytes read at a time


class Folder:
    """Names are plain file names. Raises OSError where the disk does."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def path(self, name: str) -> Path:
        """Where the file of this name is. Raises ValueError for a name that would leave the folder."""
        if Path(name).name != name or name in ("", ".", ".."):
            raise ValueError(f"not a file name: {name!r}")
        return self._path / name

    async def holds(self, name: str) -> bool:
        return await asyncio.to_thread(self.path(name).is_file)

    async def read(self, name: str, start: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes from `start` on. Raises FileNotFoundError before the first piece."""
        file = await asyncio.to_thread(self.path(name).open, "rb")
        try:
            await asyncio.to_thread(file.seek, start)
            while length > 0:
                piece = await asyncio.to_thread(file.read, min(length, CHUNK))
                if not piece:
                    raise EOFError(f"{name} has become shorter while it was read")
                length -= len(piece)
                yield piece
        finally:
            await asyncio.to_thread(file.close)

    async def delete(self, name: str) -> None:
        """Gone afterwards, also where it was not there."""
        await asyncio.to_thread(self.path(name).unlink, missing_ok=True)

    async def names(self, suffix: str) -> list[str]:
        """Every file that ends in `suffix`, in order."""
        return await asyncio.to_thread(lambda: sorted(path.name for path in self._path.glob(f"*{suffix}")))
