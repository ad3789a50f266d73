"""What a handoff asks its shell to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from signaling.handoff_states import AudioOwner
from storage.events import Event

OperatorIs = Literal["available", "wrap_up", "not_responding"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """Put this event on record."""

    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class Seek:
    """Find and reserve an operator, none of `excluded`, then call `offer`; or call `unstaffed`."""

    queue: str
    excluded: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StopSeeking:
    """An operator is no longer needed; a lease that comes now goes back at once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Give the operator's lease back; `as_` is what the operator is from now on."""

    operator: str
    as_: OperatorIs


@dataclass(frozen=True, slots=True, kw_only=True)
class GiveAudio:
    """From now on this one alone has the caller's ear."""

    owner: AudioOwner


@dataclass(frozen=True, slots=True, kw_only=True)
class DropLeg:
    """Close the operator's media leg."""

    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TellAgent:
    """The conversation is to know this. `detail`: the reason, the operator's note, or ""."""

    moment: Literal[
        "queued", "unavailable", "timed_out", "withdrawn", "callback_booked", "joined", "returned", "lost"
    ]
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndCall:
    """The operator has ended the call."""


Effect = Record | Seek | StopSeeking | Release | GiveAudio | DropLeg | TellAgent | EndCall
