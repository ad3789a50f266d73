"""A PeerObserver that keeps all it is told, and lets tests wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from media.playout import PartKey


@dataclass
class Listener:
    """Each callback is a line in `told`: (name, arguments...). Audio is kept apart in `audio`."""

    told: list[tuple[object, ...]] = field(default_factory=list)
    audio: list[tuple[float, bytes]] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def media_connected(self, at: float, codec: str) -> None:
        self._tell("connected", codec, at)

    def audio_received(self, pcm: bytes, at: float) -> None:
        self.audio.append((at, pcm))
        self._changed.set()

    def part_started(self, part: PartKey, at: float) -> None:
        self._tell("started", part, at)

    def playout_drained(self, at: float) -> None:
        self._tell("drained", at)

    def digit_received(self, digit: str, duration_ms: int) -> None:
        self._tell("digit", digit, duration_ms)

    def peer_lost(self, silent_ms: int, at: float) -> None:
        self._tell("lost", silent_ms, at)

    def peer_resumed(self, gap_ms: int, at: float) -> None:
        self._tell("resumed", gap_ms, at)

    def peer_gone(self, reason: str, at: float) -> None:
        self._tell("gone", reason, at)

    def names(self) -> list[object]:
        return [line[0] for line in self.told]

    def first(self, name: str) -> tuple[object, ...]:
        return next(line for line in self.told if line[0] == name)

    def heard(self) -> bytes:
        return b"".join(pcm for _, pcm in self.audio)

    async def until(self, name: str, *, timeout_s: float = 5.0) -> tuple[object, ...]:
        """Waits for the first line of that name."""
        await self.until_true(lambda: name in self.names(), timeout_s=timeout_s)
        return self.first(name)

    async def until_true(self, holds: Callable[[], bool], *, timeout_s: float = 5.0) -> None:
        """Waits until `holds`, looking again whenever something is told."""
        async with asyncio.timeout(timeout_s):
            while not holds():
                self._changed.clear()
                await self._changed.wait()

    async def frames(self, count: int) -> None:
        """Waits for so many more frames of audio: time that passes by the media clock."""
        target = len(self.audio) + count
        await self.until_true(lambda: len(self.audio) >= target)

    def _tell(self, *line: object) -> None:
        self.told.append(line)
        self._changed.set()
