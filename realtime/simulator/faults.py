"""Misbehaviour on order: which fault, when, how often.

    simulator.faults.next("drop_1011", after="response.output_audio.delta", count=3)
    simulator.faults.next("transcription_late", delay_ms=2000)
    simulator.faults.next("refuse_429", times=2)

A fault strikes at its own place (see `FaultKind`) and is used up after `times`.  With `after`, a socket fault
strikes when the `count`-th event of that type (counted from the order, over all sessions) has been sent.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

# Strike when a client connects.
ConnectFault: TypeAlias = Literal["refuse_401", "refuse_429", "refuse_500", "no_session_created"]
# Strike on the socket after an event has been sent: after the next one when `after` is not given.
SocketFault: TypeAlias = Literal[
    "drop_1011",  # a close frame with code 1011
    "abort",  # TCP reset, no close frame
    "session_expired",  # the error event, then close 1001
    "malformed_json",  # a text frame that is not JSON
    "unknown_event",  # a type that no client knows
    "huge_event",  # an unknown event of `bytes` bytes
    "silent_close",  # from now on a CLOSE frame of the client is not answered
    "stall",  # from now on nothing is sent
    "hang",  # the same, and nothing is read either: a client's pings are not answered
]
# Strike at the next response.
ResponseFault: TypeAlias = Literal[
    "rate_limit_failure",  # status failed, inference_rate_limit_exceeded
    "server_error",  # status failed, server_error
    "two_items",  # a commentary message before the answer
    "slow_first_audio",  # `delay_ms` before the first output
    "never_answer",  # response.create (or the end of a turn) is swallowed without any event
]
# Strike at the next committed audio.
TranscriptionFault: TypeAlias = Literal["transcription_failed", "transcription_late"]

FaultKind: TypeAlias = ConnectFault | SocketFault | ResponseFault | TranscriptionFault

CONNECT_FAULTS: frozenset[str] = frozenset(get_args(ConnectFault))
SOCKET_FAULTS: frozenset[str] = frozenset(get_args(SocketFault))
RESPONSE_FAULTS: frozenset[str] = frozenset(get_args(ResponseFault))
TRANSCRIPTION_FAULTS: frozenset[str] = frozenset(get_args(TranscriptionFault))
ALL_FAULTS: frozenset[str] = CONNECT_FAULTS | SOCKET_FAULTS | RESPONSE_FAULTS | TRANSCRIPTION_FAULTS


@dataclass(slots=True, kw_only=True)
class Fault:
    """One order, with what is left of it."""

    kind: FaultKind
    after: str | None = None  # an event type; socket faults only
    count: int = 1  # events still to be seen before it strikes
    times: int = 1  # strikes left
    delay_ms: int = 2000  # slow_first_audio, transcription_late
    bytes: int = 20 * 1024 * 1024  # huge_event: more than a careful client accepts in one message


class Faults:
    """The orders not yet carried out, oldest first."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def next(
        self,
        kind: FaultKind,
        *,
        after: str | None = None,
        count: int = 1,
        times: int = 1,
        delay_ms: int = 2000,
        bytes: int = 20 * 1024 * 1024,
    ) -> Fault:
        """Order a fault.  ValueError: an unknown kind, or `after` with a fault that has its own place."""
        if kind not in ALL_FAULTS:
            raise ValueError(f"there is no fault {kind!r}: choose one of {', '.join(sorted(ALL_FAULTS))}")
        if after is not None and kind not in SOCKET_FAULTS:
            raise ValueError(f"{kind} strikes at its own place: leave out after={after!r}")
        if count < 1 or times < 1 or delay_ms < 0 or bytes < 0:
            raise ValueError("count and times start at 1, delay_ms and bytes at 0")
        fault = Fault(kind=kind, after=after, count=count, times=times, delay_ms=delay_ms, bytes=bytes)
        self._waiting.append(fault)
        return fault

    def clear(self) -> None:
        """Forget every order."""
        self._waiting.clear()

    @property
    def waiting(self) -> tuple[Fault, ...]:
        """The orders not yet carried out."""
        return tuple(self._waiting)

    def take(self, kinds: frozenset[str]) -> Fault | None:
        """The oldest order among `kinds`, used up by this call."""
        for fault in self._waiting:
            if fault.kind in kinds:
                return self._use(fault)
        return None

    def after_event(self, event_type: str) -> Fault | None:
        """An event has been sent: the socket fault that strikes now, if any."""
        for fault in self._waiting:
            if fault.kind in SOCKET_FAULTS and fault.after in (None, event_type):
                fault.count -= 1
                if fault.count <= 0:
                    return self._use(fault)
        return None

    def _use(self, fault: Fault) -> Fault:
        fault.times -= 1
        if fault.times <= 0:
            self._waiting.remove(fault)
        return fault
