"""Which of the machine's addresses a call's sockets are bound to."""

from __future__ import annotations

from typing import Final

from aioice.ice import get_host_addresses

LOOPBACK: Final = "127.0.0.1"


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
