"""What a scripted session hears and answers: plain values, no models, the same bytes every time.

A session takes one entry of `hears` for every committed piece of caller audio, and one entry of `says`
for every response it makes, each session from the start of the script.  Any audio louder than
`speech_level` counts as speech.

    Script(
        hears=["I would like an appointment"],
        says=[
            Reply(text="Good morning, how can I help?", audio_ms=1500),
            FunctionCall("schedule_appointment", {"name": "Ann", "date": "2026-11-25", "time": "15:00"}),
            Together(Reply(text="Let me see.", phase="commentary"), Reply(text="Done.", phase="final_answer")),
        ],
    )
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Phase: TypeAlias = Literal["commentary", "final_answer"]

# About 150 words a minute, the pace of an unhurried telephone voice.
MS_PER_WORD = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One assistant message.

    The audio is a sweep whose pitch tells the position to a few milliseconds (`tone.position_ms`), or, with
    `tone_hz`, a constant tone that tells one reply from another.
    """

    text: str
    audio_ms: int | None = None  # None: MS_PER_WORD for every word of the text
    tone_hz: float | None = None
    phase: Phase | None = None  # gpt-realtime-2.x marks its messages so
    first_audio_ms: int | None = None  # None: the script's pace

    @property
    def duration_ms(self) -> int:
        """How long the scripted audio lasts."""
        return self.audio_ms if self.audio_ms is not None else MS_PER_WORD * max(1, len(self.text.split()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Silence:
    """An assistant message whose audio is digital silence and whose transcript is empty."""

    audio_ms: int


@dataclass(frozen=True, slots=True)
class FunctionCall:
    """One function call item.  A script is obeyed even when the session never offered the function."""

    name: str
    arguments: Mapping[str, Any] | str = field(
        default_factory=dict
    )  # a str goes out as it is, even if not JSON
    call_id: str | None = None  # None: made up


@dataclass(frozen=True, slots=True)
class Failure:
    """`response.done` with status failed."""

    code: str = "server_error"
    message: str = "The server had an error while processing your request."


OutputItem: TypeAlias = Reply | Silence | FunctionCall


@dataclass(frozen=True, slots=True, init=False)
class Together:
    """Several items in one response, in this order: commentary and answer, or parallel function calls."""

    items: tuple[OutputItem, ...]

    def __init__(self, *items: OutputItem) -> None:
        object.__setattr__(self, "items", items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a scripted answer may look at when it is a function."""

    heard: str | None  # the last words of the caller, None when there are none
    last_output: str | None  # the last function_call_output, None when there is none
    instructions: str  # those in force for this response
    count: int  # responses of this session so far, this one not included


Answer: TypeAlias = OutputItem | Failure | Together
ScriptedAnswer: TypeAlias = Answer | Callable[[Asked], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How audio leaves: `burst_ms` at once, the rest at `speed` times real time, in deltas of `chunk_ms`.

    The real service was measured to send 3.2 to 5 s of audio within the first second of a reply.
    `speed=math.inf` sends everything at once.
    """

    first_audio_ms: int = 0  # from response.created to the first audio, beyond what thinking takes
    burst_ms: int = 1000
    speed: float = 4.0
    chunk_ms: int = 200

    def __post_init__(self) -> None:
        if self.chunk_ms < 20 or self.chunk_ms % 20:
            raise ValueError(f"chunk_ms is {self.chunk_ms}: give a multiple of 20, at least 20")
        if not self.speed > 0:
            raise ValueError(f"speed is {self.speed}: give a number above 0, or math.inf")


AT_ONCE = Pace(burst_ms=0, speed=math.inf)


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A whole session.  When `says` (or `hears`) runs out: from the start again with `loop`, else the default."""

    hears: Sequence[str] = ()
    says: Sequence[ScriptedAnswer] = ()
    loop: bool = False
    heard_by_default: str = "Hello."
    said_by_default: Answer = Reply(text="Okay.", audio_ms=300)
    writes: Sequence[ScriptedAnswer] = ()  # for responses out of band that ask for JSON; they take no `says`
    written_by_default: Answer = Reply(text="{}")
    pace: Pace = Pace()
    transcription_ms: int = 50  # from the commit to the first transcription event
    speech_level: float = (
        0.02  # RMS of full scale above which 32 ms of audio count as speech (about -34 dBFS)
    )
