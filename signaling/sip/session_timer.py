"""Session timers (RFC 4028): a call whose other end has silently gone is over after its interval, not for ever."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal

from signaling.sip.message import Headers, Request, Response

MIN_SE: Final = 90  # seconds; RFC 4028 section 4 allows no less
WANTED: Final = 1800  # section 4's recommendation

Refresher = Literal["uac", "uas"]
INTERVAL: Final = re.compile(r"\s*(\d{1,9})\s*(?:;.*)?", re.S)
REFRESHER: Final = re.compile(r";\s*refresher\s*=\s*(uac|uas)", re.I)


class Act(Enum):
    NOTHING = "nothing"
    REFRESH = "refresh"  # send UPDATE or re-INVITE
    EXPIRED = "expired"  # send BYE


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreed:
    """`refresher` is said of the request that this was agreed in: uac is who sent it."""

    interval_s: int
    refresher: Refresher

    @property
    def header(self) -> tuple[str, str]:
        return ("Session-Expires", f"{self.interval_s};refresher={self.refresher}")


def too_small(request: Request) -> bool:
    """Answer 422 with our Min-SE (section 9): whoever asks understands session timers, and wants too short a one."""
    asked = _interval(request.get("Session-Expires"))
    return asked is not None and asked < MIN_SE and _supports(request)


def agree_as_server(request: Request) -> Agreed | None:
    """What we answer an INVITE or UPDATE with (section 9, table 2); None: no timer for this call."""
    asked = _interval(request.get("Session-Expires"))
    supports = _supports(request)
    if asked is None and not supports:
        return None
    least = max(MIN_SE, _interval(request.get("Min-SE")) or 0)
    interval = max(asked, least) if asked is not None else max(WANTED, least)
    if not supports:
        return Agreed(interval_s=interval, refresher="uas")
    named = REFRESHER.search(request.get("Session-Expires") or "")
    # Left to us, it is theirs: whoever has called knows best whether anybody still listens.
    return Agreed(
        interval_s=interval, refresher="uas" if named and named.group(1).lower() == "uas" else "uac"
    )


def headers_for(agreed: Agreed | None) -> Headers:
    """What a 2xx carries."""
    if agreed is None:
        return ()
    # Section 9: who must refresh has to understand that it must.
    return (agreed.header, ("Require", "timer")) if agreed.refresher == "uac" else (agreed.header,)


def agree_as_client(response: Response) -> Agreed | None:
    """What their 2xx to our INVITE or UPDATE says (section 7.2); without the header there is no timer."""
    line = response.get("Session-Expires")
    interval = _interval(line)
    if line is None or interval is None:
        return None
    named = REFRESHER.search(line)
    refresher: Refresher = "uas" if named and named.group(1).lower() == "uas" else "uac"
    return Agreed(interval_s=max(interval, MIN_SE), refresher=refresher)


class SessionTimer:
    """Order of calls: `agreed` with each 2xx to INVITE or UPDATE; `wake` at `next_at`."""

    def __init__(self) -> None:
        self.next_at: float | None = None
        self._refresh_at: float | None = None
        self._expires_at: float | None = None

    def agreed(self, agreed: Agreed | None, *, we_asked: bool, now: float) -> None:
        """The session lives on from now; `we_asked`: the request of which this is the 2xx was ours."""
        self._refresh_at = self._expires_at = None
        if agreed is not None:
            # Section 10: BYE goes out a little before the end, so that it comes before the others give up.
            self._expires_at = now + agreed.interval_s - min(32.0, agreed.interval_s / 3)
            if (agreed.refresher == "uac") == we_asked:
                self._refresh_at = now + agreed.interval_s / 2
        self._set()

    def try_again(self, at: float) -> None:
        """A refresh of ours has met one of theirs (491)."""
        self._refresh_at = at
        self._set()

    def wake(self, now: float) -> Act:
        """Each thing once."""
        act = Act.NOTHING
        if self._expires_at is not None and now >= self._expires_at:
            self._refresh_at = self._expires_at = None
            act = Act.EXPIRED
        elif self._refresh_at is not None and now >= self._refresh_at:
            self._refresh_at = None
            act = Act.REFRESH
        self._set()
        return act

    def _set(self) -> None:
        self.next_at = min(
            (at for at in (self._refresh_at, self._expires_at) if at is not None), default=None
        )


def _supports(request: Request) -> bool:
    return "timer" in {word.lower() for name in ("Supported", "Require") for word in request.tokens(name)}


def _interval(line: str | None) -> int | None:
    match = INTERVAL.fullmatch(line) if line is not None else None
    return int(match.group(1)) if match is not None else None
