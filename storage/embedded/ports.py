"""Ports and passwords of the embedded servers, kept between runs so that a second terminal's URLs stay good."""

from __future__ import annotations

import secrets
import socket
from pathlib import Path

import msgspec

LOOPBACK = "127.0.0.1"


class Access(msgspec.Struct, kw_only=True):
    """How to reach the servers of one data folder."""

    password: str
    redis_port: int = 0
    postgres_port: int = 0


def load_access(path: Path) -> Access:
    """Read what the last run used, or make a new password. An unreadable file is an error: the password of
    existing data would be lost with it."""
    if path.exists():
        return msgspec.json.decode(path.read_bytes(), type=Access)
    return Access(password=secrets.token_urlsafe(24))


def save_access(path: Path, access: Access) -> None:
    """Write for the owner's eyes only, whole or not at all."""
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.encode(access))
    fresh.replace(path)


def free_port(preferred: int) -> int:
    """`preferred` where it can be had on loopback, else any free port.

    Another program may take it before the server does: the server then fails to start and is tried again.
    """
    for port in (preferred, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as both servers do
            try:
                probe.bind((LOOPBACK, port))
            except OSError:
                continue
            number: int = probe.getsockname()[1]
            return number
    raise AssertionError("binding port 0 cannot fail")
