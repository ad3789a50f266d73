"""Whatever a server sends and a shell tells, in whatever order: nothing raises, and every call ends in time."""

from __future__ import annotations

import base64
import json
from typing import Any

import hypothesis.strategies as st
from hypothesis import given, settings

from media.playout import Cut, PartKey
from realtime import effects
from realtime.conversation import Conversation
from realtime.effects import Effect
from realtime.phase import GOODBYE_S, LATE_TRANSCRIPT_S, SETUP_S, Phase
from realtime.server_events import parse
from realtime.tool_spec import ToolOutcome
from storage.events import EndReason, TranscriptFinal, TurnCompleted, TurnStarted
from tests.fakes.realtime_story import MIDNIGHT, TOOLS, receptionist

RESPONSES = st.sampled_from(["r1", "r2", "r3"])
ITEMS = st.sampled_from(["i1", "i2", "i3"])
USERS = st.sampled_from(["u1", "u2", ""])
INDEX = st.integers(0, 1)
AUDIO = st.integers(0, 3000).map(lambda size: base64.b64encode(bytes(size)).decode())
CODES = st.sampled_from(
    [
        "invalid_value",
        "conversation_already_has_active_response",
        "session_expired",
        "input_audio_buffer_commit_empty",
    ]
)
OUTPUT = st.fixed_dictionaries(
    {
        "id": st.none() | ITEMS,
        "type": st.sampled_from(["function_call", "message"]),
        "name": st.none() | st.sampled_from(["book", "fly"]),
        "call_id": st.none() | st.sampled_from(["c1", "c2"]),
        "arguments": st.none() | st.sampled_from(["{}", "{", "[]"]),
        "status": st.none() | st.sampled_from(["completed", "incomplete"]),
    }
)
RESPONSE = st.fixed_dictionaries(
    {
        "id": RESPONSES,
        "status": st.sampled_from(
            ["in_progress", "completed", "cancelled", "failed", "incomplete", None, "odd"]
        ),
        "metadata": st.none()
        | st.fixed_dictionaries(
            {"request": st.sampled_from([*(f"req_{n}" for n in range(12)), "aside_1", "aside_2"])}
        ),
        "output": st.none() | st.lists(OUTPUT, max_size=2),
        "status_details": st.none()
        | st.fixed_dictionaries({"error": st.none() | st.fixed_dictionaries({"code": CODES})}),
        "usage": st.none() | st.just({"input_tokens": 1}),
    }
)


def event(type_: str, **fields: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[str, Any]]:
    return st.tuples(st.just("server"), st.fixed_dictionaries({"type": st.just(type_), **fields}))


PLACE = {"response_id": RESPONSES, "item_id": ITEMS, "content_index": INDEX}
MILLISECONDS = st.integers(-1000, 100_000)
SERVER = st.one_of(
    event("session.created", session=st.just({"id": "s"})),
    event("session.updated", session=st.just({})),
    event(
        "error",
        error=st.fixed_dictionaries(
            {"code": CODES, "event_id": st.none() | st.sampled_from(["ev_1", "ev_3", "aside_ev_1"])}
        ),
    ),
    event("input_audio_buffer.speech_started", item_id=USERS, audio_start_ms=MILLISECONDS),
    event("input_audio_buffer.speech_stopped", item_id=USERS, audio_end_ms=MILLISECONDS),
    event("input_audio_buffer.committed", item_id=USERS),
    event("conversation.item.added", item=OUTPUT),
    event("conversation.item.input_audio_transcription.delta", item_id=USERS, delta=st.text(max_size=3)),
    event(
        "conversation.item.input_audio_transcription.completed", item_id=USERS, transcript=st.text(max_size=3)
    ),
    event("conversation.item.input_audio_transcription.failed", item_id=USERS),
    event("response.created", response=RESPONSE),
    event("response.output_item.added", response_id=RESPONSES, item=OUTPUT),
    event("response.output_audio.delta", delta=AUDIO, **PLACE),
    event("response.output_audio.done", **PLACE),
    event("response.output_audio_transcript.delta", delta=st.text(max_size=8), **PLACE),
    event("response.output_audio_transcript.done", transcript=st.text(max_size=8), **PLACE),
    event(
        "response.output_text.done",
        text=st.sampled_from(["", '{"name": "Ann", "outcome": "odd"}', "["]),
        **PLACE,
    ),
    event("response.done", response=RESPONSE),
    event("nobody.knows", x=st.none()),
    event("response.done", response=st.none()),
)
SHELL = st.one_of(
    st.tuples(st.just("time"), st.floats(0.001, 20)),
    st.tuples(st.just("media_connected"), st.none()),
    st.tuples(st.just("drained"), st.none()),
    st.tuples(st.just("started"), st.none()),
    st.tuples(st.just("tool"), st.sampled_from(["c1", "c2", "c9"])),
    st.tuples(st.just("digit"), st.sampled_from("0#")),
    st.tuples(st.just("peer_lost"), st.none()),
    st.tuples(st.just("peer_resumed"), st.none()),
    st.tuples(st.just("goodbye"), st.none()),
    st.tuples(st.just("session_lost"), st.none()),
    st.tuples(st.just("operator_joined"), st.sampled_from(["Kim", ""])),
    st.tuples(st.just("operator_said"), st.tuples(st.sampled_from(["o1", "o2"]), st.text(max_size=3))),
    st.tuples(st.just("caller_said"), st.tuples(st.sampled_from(["t1", "t2"]), st.text(max_size=3))),
    st.tuples(st.just("operator_left"), st.text(max_size=3)),
)


def _answer(number: int, words: str, size: int, call: bool, cut_at: int) -> list[tuple[str, Any]]:
    """A response as it should be, up to its `cut_at`th event."""
    place = {"response_id": f"x{number}", "item_id": f"y{number}", "content_index": 0}
    called = {"id": f"z{number}", "type": "function_call", "name": "book", "call_id": f"c{number}"}
    output = [called] if call else []
    audio = base64.b64encode(bytes(size)).decode()
    events: list[dict[str, Any]] = [
        {"type": "response.created", "response": {"id": f"x{number}"}},
        {
            "type": "response.output_item.added",
            "response_id": f"x{number}",
            "item": {"id": f"y{number}", "type": "message"},
        },
        {"type": "response.output_audio_transcript.delta", "delta": words, **place},
        {"type": "response.output_audio.delta", "delta": audio, **place},
        {"type": "response.output_audio.done", **place},
        {"type": "response.done", "response": {"id": f"x{number}", "status": "completed", "output": output}},
    ]
    told: list[tuple[str, Any]] = [("server", event) for event in events]
    return [*told, ("started", None), ("tool", f"c{number}")][:cut_at]


def _turn(number: int, words: str, cut_at: int) -> list[tuple[str, Any]]:
    item = {"item_id": f"v{number}"}
    transcribed = "conversation.item.input_audio_transcription.completed"
    events: list[dict[str, Any]] = [
        {"type": "input_audio_buffer.speech_started", "audio_start_ms": 0, **item},
        {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 1000, **item},
        {"type": "input_audio_buffer.committed", **item},
        {"type": transcribed, "transcript": words, **item},
    ]
    told: list[tuple[str, Any]] = [("server", event) for event in events]
    return told[:cut_at]


def _sound(
    number: int, words: str, waited_s: float, cut_at: int, response_cut_at: int
) -> list[tuple[str, Any]]:
    """Something that is taken for speech while an answer is heard."""
    answer = _answer(number, "From nine until five.", 96_000, False, response_cut_at)
    return [
        *answer,
        ("started", None),
        *_turn(number, words, cut_at)[:3],
        ("time", waited_s),
        *_turn(number, words, cut_at)[3:],
    ]


SET_UP = [
    ("server", {"type": "session.created", "session": {"id": "s"}}),
    ("server", {"type": "session.updated", "session": {}}),
    ("media_connected", None),
]
WORDS = st.sampled_from(["Hello there.", "From nine until five.", "x", ""])
SCENES = st.one_of(
    st.one_of(SERVER, SHELL).map(lambda happening: lambda number: [happening]),
    st.builds(
        lambda *scene: lambda number: _answer(number, *scene),
        WORDS,
        st.sampled_from([48_000, 960, 2]),
        st.booleans(),
        st.sampled_from([8, 6, 5, 4]),
    ),
    st.builds(lambda *scene: lambda number: _turn(number, *scene), WORDS, st.sampled_from([4, 3, 1])),
    st.builds(
        lambda *scene: lambda number: _sound(number, *scene),
        st.sampled_from(["", "Mm-hm.", "Stop!"]),
        st.sampled_from([0.02, 2.0]),
        st.sampled_from([4, 4, 3, 2, 1]),
        st.sampled_from([6, 4]),
    ),
    st.just(lambda number: [("drained", None)]),
    st.just(lambda number: [("session_lost", None), *SET_UP[:2]]),
    st.just(lambda number: [("operator_joined", "Kim"), ("operator_said", (f"o-{number}", "Hello."))]),
)
HAPPENINGS = st.lists(SCENES, min_size=8, max_size=20).map(
    lambda scenes: [happening for number, scene in enumerate(scenes) for happening in scene(number)]
)


PURPOSE: dict[str, Any] = {
    "tools": ["book"],
    "goals": [
        {
            "id": "booking",
            "description": "Book.",
            "slots": [{"name": "name", "type": "name", "description": "who"}],
            "on_complete": "Call book.",
        }
    ],
    "outcomes": [{"id": "booked", "description": "Booked."}],
}


class Shell:
    """Carries out what it is told and honours every deadline; heard parts come out of thin air."""

    def __init__(self, *, careful: bool) -> None:
        """`careful`: an agent who pauses at a sound and finds out what it was."""
        self.now = 100.0
        self.paused = False
        interruption = {"min_speech_ms": 300 if careful else 0}
        self.core = Conversation(
            receptionist(limits={"max_duration_s": 60}, interruption=interruption, **PURPOSE),
            model="m",
            instructions_text="x",
            tools=TOOLS,
            origin=(self.now, MIDNIGHT),
        )
        self.done: list[Effect] = []
        self.received: dict[PartKey, int] = {}
        self.outstanding = 0

    def drive(self) -> None:
        for _ in range(100):
            taken = self.core.effects()
            if not taken:
                return
            for effect in taken:
                self.done.append(effect)
                match effect:
                    case effects.Play(part=part, pcm=pcm):
                        self.received[part] = self.received.get(part, 0) + len(pcm) // 48
                    case effects.PlayRecorded(part=part, words=words):
                        self.received[part] = words.ms
                    case effects.PausePlayout():
                        self.paused = True
                    case effects.ResumePlayout():
                        self.paused = False
                    case effects.Flush():
                        cuts = tuple(
                            Cut(part=part, received_ms=ms, sent_ms=ms, heard_ms=ms // 2, finished=False)
                            for part, ms in self.received.items()
                        )
                        self.received.clear()
                        self.core.playout_cut(cuts, self.now)
        raise AssertionError("effects without end")

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        for _ in range(1000):
            deadline = self.core.next_deadline()
            if deadline is None or deadline > end:
                self.now = end
                return
            self.now = max(self.now, deadline)
            self.core.wake(self.now)
            self.drive()
        raise AssertionError("a deadline that never passes")

    def act(self, kind: str, value: Any) -> None:
        core, now = self.core, self.now
        match kind:
            case "server":
                core.receive(parse(json.dumps(value)), now)
            case "time":
                self.pass_time(value)
            case "media_connected":
                core.media_connected(now)
            case "drained":
                self.received.clear()
                core.playout_drained(now)
            case "started":
                for part in self.received:
                    core.part_started(part, now)
            case "tool":
                core.tool_finished(
                    value, ToolOutcome(ok=True, output={}, duration_ms=1, hang_up="agent_hangup"), now
                )
            case "digit":
                core.digit_received(value, 100, now)
            case "peer_lost":
                core.peer_lost(8000, now)
            case "peer_resumed":
                core.peer_resumed(9000, now)
            case "goodbye":
                core.say_goodbye("we close", "timeout", now)
            case "operator_joined":
                core.operator_joined(value, now)
            case "operator_said":
                core.operator_said(*value, now - 1, now)
            case "caller_said":
                core.caller_said(*value, now - 1, now)
            case "operator_left":
                core.operator_left(now, value)
            case "session_lost":
                core.session_lost("closed_1011", "gone", now)
        self.drive()

    def of(self, kind: type[Any]) -> list[Any]:
        return [effect for effect in self.done if isinstance(effect, kind)]

    def published(self, kind: type[Any]) -> list[Any]:
        return [effect.event for effect in self.of(effects.Publish) if isinstance(effect.event, kind)]


@settings(max_examples=400, deadline=None)
@given(
    set_up=st.booleans(),
    careful=st.booleans(),
    happenings=HAPPENINGS,
    reason=st.sampled_from(["caller_hangup", None]),
)
def test_nothing_raises_and_every_call_ends_in_time(
    set_up: bool, careful: bool, happenings: list[tuple[str, Any]], reason: EndReason | None
) -> None:
    shell = Shell(careful=careful)
    for happening in [*(SET_UP if set_up else []), *happenings]:
        shell.act(*happening)
    if reason is not None:
        shell.core.hang_up(reason, shell.now)
        shell.drive()
        shell.pass_time(LATE_TRANSCRIPT_S)
    else:
        # Left alone, the call ends at its longest duration, or at once where the session never came up; but
        # not while a person talks with the caller.
        shell.act("operator_left", "")
        shell.pass_time(60 + SETUP_S + GOODBYE_S + LATE_TRANSCRIPT_S)

    assert shell.core.next_deadline() is None
    (close,) = shell.of(effects.Close)
    assert isinstance(close, effects.Close)
    assert shell.done[-1] is close, "something came after the end"
    (hang_up,) = shell.of(effects.HangUp)
    assert hang_up.reason == close.reason
    assert not shell.paused or ("peer_lost", None) in happenings, "what the agent said was held for ever"
    finals = shell.published(TranscriptFinal)
    assert len({(final.speaker, final.item_id) for final in finals}) == len(finals), "an entry came out twice"
    assert len({final.position for final in finals}) == len(finals), "two entries in one place"
    assert all(final.text.startswith(final.heard_text) for final in finals)
    started, completed = shell.published(TurnStarted), shell.published(TurnCompleted)
    assert [turn.turn for turn in started] == [turn.turn for turn in completed] == list(range(len(started)))


@settings(max_examples=200, deadline=None)
@given(careful=st.booleans(), before=HAPPENINGS, happenings=HAPPENINGS)
def test_while_a_person_talks_with_the_caller_the_model_is_silent_whatever_happens(
    careful: bool, before: list[tuple[str, Any]], happenings: list[tuple[str, Any]]
) -> None:
    shell = Shell(careful=careful)
    for happening in [*SET_UP, *before[:8], ("operator_joined", "Kim")]:
        shell.act(*happening)
    began = len(shell.done)
    happenings = [each for each in happenings if each[0] not in ("operator_left", "goodbye")]
    for happening in [*happenings, ("time", 90.0)]:
        shell.act(*happening)

    since = shell.done[began:]
    assert not any(isinstance(each, effects.Play | effects.PlayRecorded) for each in since)
    sent = [json.loads(each.message) for each in since if isinstance(each, effects.Send)]
    asked = [each for each in sent if each["type"] == "response.create"]
    assert all(each["response"].get("conversation") == "none" for each in asked), (
        "beside the call: its summary"
    )
    if shell.core.phase in (Phase.ENDING, Phase.CLOSED):
        assert any(each[0] == "goodbye" for each in before), "the call ended, and nobody had said so"
        return
    assert not asked
    assert not shell.core.model_hears
    listening = [each["session"] for each in sent if each["type"] == "session.update"]
    assert all(each["audio"]["input"]["turn_detection"] is None for each in listening)


@settings(max_examples=200, deadline=None)
@given(careful=st.booleans(), happenings=HAPPENINGS)
def test_a_response_is_never_asked_for_while_one_is_known_to_run(
    careful: bool, happenings: list[tuple[str, Any]]
) -> None:
    shell = Shell(careful=careful)
    running: str | None = None
    over: set[str] = set()
    for kind, value in [*SET_UP, *happenings]:
        before = len(shell.done)
        if kind == "server" and value["type"] == "response.created" and value["response"]["id"] not in over:
            running = value["response"]["id"]
        if kind == "server" and value["type"] == "response.done" and value["response"]:
            over.add(value["response"]["id"])
            running = None if running in over else running
        shell.act(kind, value)
        if kind == "session_lost" or any(isinstance(e, effects.OpenSession) for e in shell.done[before:]):
            running = None  # nothing that the lost session had begun goes on
            over |= {"r1", "r2", "r3"}
        asked = [each for each in shell.done[before:] if isinstance(each, effects.Send)]
        asked = [each for each in asked if b'"response.create"' in each.message]
        asked = [each for each in asked if b'"conversation":"none"' not in each.message]

        assert running is None or not asked
        assert len(asked) <= 1 or kind == "time"
