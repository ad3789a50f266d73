"""Who is calling, as far as the door could tell, and what the door hands back.

Identity is a fact of the call, settled before the model speaks: a number that a ticket or a trunk vouched
for is `verified`, anything the caller merely says is not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

CallerSource = Literal["demo", "ticket", "token", "trunk"]
"""demo: the open door of the demo on loopback · ticket: a single-use call ticket · token: a Bearer token
or a browser session · trunk: a SIP trunk."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerIdentity:
    """What is known of a caller when the call starts."""

    number: str | None  # E.164, only where a ticket or a trunk gave one
    verified: bool  # True: `number` was vouched for, and tools of scope `verified` may use it
    name: str | None = None
    metadata: Mapping[str, str] = field(default_factory=lambda: _NOTHING)  # the ticket's, passed on unread
    source: CallerSource = "token"
    private: bool = False  # of a trunk: they asked not to be shown (RFC 3323); then there is no number here
    diverted_from: str | None = None  # of a trunk: the number that was called first

    @property
    def label(self) -> str | None:
        """What `call.started` and the call list show: the number, else the name, else nothing."""
        return self.number or self.name


ANONYMOUS_DEMO_CALLER = CallerIdentity(number=None, verified=False, source="demo")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkLine:
    """Of a telephone call: the number that was called, and who in signaling is told how the call goes.

    Both are called on the event loop, must not block or raise, and may be called again.
    """

    called: str | None
    media_connected: Callable[[], None]
    hung_up: Callable[[], None]  # nobody talks here any more


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredCall:
    """A call that was just taken: its id (UUIDv7) and the answer for the caller's browser."""

    call_id: str
    answer_sdp: str
