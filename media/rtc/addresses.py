"""Which of the machine's addresses a call's sockets are bound to."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

import aioice.ice
from aioice.ice import get_host_addresses

from media.rtc.guard import GuardedProtocol

LOOPBACK: Final = "127.0.0.1"
MAX_DATAGRAM_BYTES: Final = 2048  # WebRTC keeps every datagram below the usual MTU of 1500


def local_addresses(configured: tuple[str, ...] | None, *, allow_loopback: bool) -> list[str]:
    """The configured ones; else all of the machine's; else, where allowed, loopback.

    aioice never lists loopback, so that a laptop without a network could not even call itself.
    """
    if configured is not None:
        return list(configured)
    found = get_host_addresses(use_ipv4=True, use_ipv6=True)
    if not found and allow_loopback:
        return [LOOPBACK]
    return found


def bind_to(
    ice: aioice.ice.Connection, addresses: list[str], on_media: Callable[[bytes], None] | None
) -> None:
    """Makes the connection gather on these addresses only, with `on_media` behind every socket's guard."""

    async def gather() -> None:
        if ice._local_candidates_start:
            return
        ice._local_candidates_start = True
        ice._local_candidates += await ice.get_component_candidates(1, addresses)
        ice._local_candidates_end = True
        if not ice._local_candidates:
            raise OSError(f"no UDP socket could be bound to any of: {', '.join(addresses) or 'no address'}")
        for protocol in ice._protocols:
            assert isinstance(protocol, GuardedProtocol)
            protocol.on_media = on_media
            with suppress(AttributeError):  # other event loops read in other ways
                # asyncio makes a fresh buffer of 256 KiB for every datagram: 16 µs instead of 1.
                protocol.transport.max_size = MAX_DATAGRAM_BYTES  # type: ignore[attr-defined]

    ice.gather_candidates = gather  # type: ignore[method-assign]  # aioice asks a global function instead
