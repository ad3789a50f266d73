"""The topmost Via: whom an answer goes to, and by which name its transaction is known (RFC 3261 section 18.2)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from signaling.sip.addresses import read_host, read_parameters, split_list
from signaling.sip.message import Request, Response, with_header

# Any version: a request of another one is answered 505, by this Via.
SENT: Final = re.compile(
    r"SIP\s*/\s*\d\.\d\s*/\s*([A-Za-z0-9\-.!%*_+`'~]+)\s+([^;\s]+(?:\s*:\s*\d+)?)\s*(;.*)?", re.I
)
COOKIE: Final = "z9hG4bK"
DEFAULT_PORT: Final = 5060
DEFAULT_TLS_PORT: Final = 5061


@dataclass(frozen=True, slots=True, kw_only=True)
class Via:
    transport: str  # in upper case, as in UDP
    host: str
    port: int | None
    parameters: Mapping[str, str | None]

    @property
    def branch(self) -> str | None:
        """The transaction's name; None where an RFC 2543 element has sent none that is good for that."""
        branch = self.parameters.get("branch") or ""
        # RFC 4475 section 3.2.1: the cookie alone names nothing.
        return branch if branch.lower().startswith(COOKIE.lower()) and len(branch) > len(COOKIE) else None

    @property
    def sent_by(self) -> str:
        return f"{self.host.lower()}:{self.port or ''}"


def read_via(text: str) -> Via:
    """One Via value. Raises ValueError."""
    match = SENT.fullmatch(text.strip())
    if match is None:
        raise ValueError("not a Via")
    transport, sent_by, parameters = match.groups()
    host, port = read_host(re.sub(r"\s", "", sent_by))
    return Via(
        transport=transport.upper(),
        host=host,
        port=port,
        parameters=read_parameters(parameters[1:]) if parameters else {},
    )


def top_via(message: Request | Response) -> Via:
    """Raises ValueError where there is none that can be read; the reader lets no such message through."""
    return read_via(split_list(message.get("Via") or "")[0])


def as_received(request: Request, host: str, port: int) -> Request:
    """With `received` and `rport` in its topmost Via (RFC 3261 section 18.2.1, RFC 3581 section 4)."""
    lines = request.every("Via")
    values = split_list(lines[0])
    via = read_via(values[0])
    top = re.sub(r";\s*(received|rport)\s*(=[^;]*)?(?=;|$)", "", values[0], flags=re.I)
    # Always: it is harmless where it says the same, and right where the name cannot be resolved from here.
    top += f";received={host}"
    if "rport" in via.parameters:
        top += f";rport={port}"
    return with_header(request, "Via", ", ".join([top, *values[1:]]), *lines[1:])


def reply_address(request: Request) -> tuple[str, int]:
    """Where an answer goes that cannot go back over its connection (RFC 3261 section 18.2.2, RFC 3581).

    For a request that went through `as_received`.
    """
    via = top_via(request)
    rport = via.parameters.get("rport")
    port = int(rport) if rport and rport.isdigit() else via.port
    return (
        via.parameters.get("received") or via.host,
        port or (DEFAULT_TLS_PORT if via.transport == "TLS" else DEFAULT_PORT),
    )
