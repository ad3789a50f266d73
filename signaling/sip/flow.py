"""Where a message came from and where one goes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Transport = Literal["udp", "tcp", "tls"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """The other end of a UDP socket or of a connection, by numeric address."""

    transport: Transport
    host: str
    port: int
    connection: int = 0  # which one, of a stream; 0: none yet, or none at all

    @property
    def reliable(self) -> bool:
        return self.transport != "udp"
