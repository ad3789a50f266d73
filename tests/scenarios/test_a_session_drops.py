"""The Realtime session drops in the middle of a call; the caller is to notice a pause at the most."""

from __future__ import annotations

import datetime
import random
import statistics
from collections.abc import Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any, overload

import pytest

from media.rtc.caller import Caller
from realtime.recorded_words import CANNOT_GO_ON, GOODBYE
from realtime.simulator.script import Answer, Asked, FunctionCall, Reply, Script
from realtime.simulator.speech import synthesize
from tests.scenarios.house import House
from tests.scenarios.test_a_call_end_to_end import rows_of
from tests.scenarios.voices import loud

HouseMaker = Callable[..., AbstractAsyncContextManager[House]]

GREETING = "Hello, this is Harbour Dental."
CAUSES = ("drop_1011", "abort", "session_expired")
# Where a session may be when it goes: before, in the middle of and after each thing that can be under way.
MOMENTS = (
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.input_audio_transcription.completed",
    "response.created",
    "response.output_audio.delta",
    "response.function_call_arguments.done",
    "response.output_audio.done",
    "response.done",
)


class Speech(Sequence[str]):
    """What the caller is saying now: whichever session hears it, and however often."""

    def __init__(self) -> None:
        self.words = ""

    def __len__(self) -> int:
        return 1_000_000

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...
    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        return self.words


def answer(asked: Asked) -> Answer:
    """One greeting; what is asked for is booked unless it is booked already; then it is said."""
    if "Greet the caller now" in asked.instructions:
        return Reply(text=GREETING, audio_ms=500)
    said = asked.heard or "Nothing."
    if said.startswith("Book") and said not in (asked.last_output or ""):
        day = datetime.date(2031, 1, 1) + datetime.timedelta(days=int(said.split()[-1][:-1]))
        return FunctionCall("schedule_appointment", {"name": said, "date": f"{day}", "time": "15:00"})
    return Reply(text=f"Understood: {said}", audio_ms=700)


AGENT = """
id = "desk"
name = "Emma"
greeting = "Hello, this is Harbour Dental."
personality = "Warm, calm and quick."
tools = ["schedule_appointment"]
[limits]
idle_prompt_s = 60
idle_hangup_s = 120
"""


def seconds(at: str) -> float:
    return datetime.datetime.fromisoformat(at).timestamp()


async def one_drop(
    running: House, caller: Caller, call_id: str, speech: Speech, number: int, rng: Any
) -> float:
    """The caller asks for one thing, and the session drops on the way. Seconds until the agent is heard again."""
    events = running.events
    speech.words = f"Book a visit for caller {number}."
    cause, moment = rng.choice(CAUSES), rng.choice(MOMENTS)
    running.simulator.faults.next(cause, after=moment)
    await caller.speak(loud(rng.randrange(400, 900, 20)))
    back = await events.until("session.reconnected", call_id=call_id, count=number + 1)
    await events.until(
        "transcript.final",
        call_id=call_id,
        where=lambda data: data["heard_text"] == f"Understood: {speech.words}",
    )
    lost_at = seconds(back.at) - back.data["gap_ms"] / 1000
    after = [each.data for each in events.of(call_id, "transcript.final") if seconds(each.at) > lost_at]
    again = min(seconds(data["started_at"]) for data in after if data["speaker"] == "agent")
    return max(0.0, again - lost_at)


async def drops(house: HouseMaker, tmp_path: Path, count: int) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "desk.toml").write_text(AGENT)
    speech = Speech()
    rng = random.Random(count)
    script = Script(hears=speech, says=[answer], loop=True)
    settings = {"CORDBOARD_AGENTS__PATH": str(tmp_path / "agents")}
    async with house(mind=script, worker=False, settings=settings) as running:
        caller, call_id = await running.call(agent="desk")
        try:
            await running.events.until("turn.completed", call_id=call_id)
            gaps = [await one_drop(running, caller, call_id, speech, number, rng) for number in range(count)]
        finally:
            await running.http.delete(f"/v1/calls/{call_id}")
            await caller.close()
        await running.events.until("call.ended", call_id=call_id)

        said = [f"Book a visit for caller {number}." for number in range(count)]
        finals = [each.data for each in running.events.of(call_id, "transcript.final")]
        assert [each["text"] for each in finals if each["speaker"] == "caller"] == said
        assert [each["text"] for each in finals].count(GREETING) == 1
        called = [each.data["arguments"]["name"] for each in running.events.of(call_id, "tool.called")]
        assert called == said
        booked = await rows_of(
            running.database_url,
            "SELECT name FROM appointments WHERE call_id = $1 ORDER BY starts_at",
            call_id,
            count=count,
        )
        assert [row["name"] for row in booked] == said
        reconnected = running.events.of(call_id, "session.reconnected")
        assert len(reconnected) == count
        print(  # the figures, for whoever runs it with -s
            f"{count} drops: deaf for {statistics.median(e.data['gap_ms'] for e in reconnected):.0f} ms, "
            f"agent heard again after {statistics.median(gaps):.2f} s (median), {max(gaps):.2f} s at most"
        )
        assert statistics.median(gaps) <= 2.5
        for session in running.simulator.sessions:
            (first, *_) = [e["session"] for e in session.client_events if e["type"] == "session.update"]
            assert "Warm, calm and quick." in first["instructions"]


async def test_ten_drops_anywhere_lose_and_repeat_nothing(house: HouseMaker, tmp_path: Path) -> None:
    await drops(house, tmp_path, 10)


@pytest.mark.soak
async def test_fifty_drops_anywhere_lose_and_repeat_nothing(house: HouseMaker, tmp_path: Path) -> None:
    await drops(house, tmp_path, 50)


async def test_a_model_that_cannot_be_had_again_is_excused_in_words(
    house: HouseMaker, tmp_path: Path
) -> None:
    script = Script(says=[Reply(text=GREETING, audio_ms=500)])
    async with house(mind=script, worker=False) as running:
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        running.simulator.faults.next("refuse_401", times=5)
        running.simulator.faults.next("drop_1011", after="input_audio_buffer.speech_started")
        await caller.speak(loud(600))

        failed = await running.events.until("session.failed", call_id=call_id)
        handoff = await running.events.until("handoff.requested", call_id=call_id)
        ended = await running.events.until("call.ended", call_id=call_id)
        await caller.close()
        assert failed.data["code"] == "unauthorized"
        assert handoff.data["method"] == "failure"
        assert ended.data["reason"] == "provider_failed"
        notice = running.events.of(call_id, "transcript.final")[-1].data
        assert (notice["heard_text"], notice["heard_ms"]) == (CANNOT_GO_ON.text, CANNOT_GO_ON.ms)


async def test_a_sentence_that_is_said_to_a_session_that_hangs_is_heard_by_the_next_from_its_beginning(
    house: HouseMaker,
) -> None:
    """Nothing tells of a server that hangs but that it does not answer a ping, up to ten seconds later."""
    words = (
        "Hello, my name is John Miller, and I would like to book an appointment, if that is possible, "
        "for next Wednesday, at three in the afternoon."
    )
    async with house(worker=False) as running:
        running.simulator.faults.next("hang", after="response.done")
        caller, call_id = await running.call()
        await running.events.until("turn.completed", call_id=call_id)
        await caller.speak(synthesize(words) + bytes(48_000))
        back = await running.events.until("session.reconnected", call_id=call_id, within_s=30)
        await running.events.until("turn.completed", call_id=call_id, count=2, within_s=30)
        await running.http.delete(f"/v1/calls/{call_id}")
        await running.events.until("call.ended", call_id=call_id)
        await caller.close()
        finals = running.events.of(call_id, "transcript.final")
        heard = [
            each.data for each in finals if each.data["speaker"] == "caller"
        ]  # one sentence, or its halves

        assert back.data["gap_ms"] < 2500
        text = " ".join(each["text"] for each in sorted(heard, key=lambda each: each["position"])).lower()
        assert "john miller" in text, text
        assert "afternoon" in text, text
        said = [e.data["text"] for e in running.events.of(call_id, "transcript.final")]
        assert sum("Harbour Dental" in each for each in said) == 1


async def test_a_goodbye_is_heard_though_there_is_no_session_to_say_it(
    house: HouseMaker, tmp_path: Path
) -> None:
    (tmp_path / "agents").mkdir()
    (tmp_path / "agents" / "desk.toml").write_text(AGENT + "max_duration_s = 10\n")
    script = Script(says=[Reply(text=GREETING, audio_ms=500)])
    settings = {"CORDBOARD_AGENTS__PATH": str(tmp_path / "agents")}
    async with house(mind=script, worker=False, settings=settings) as running:
        caller, call_id = await running.call(agent="desk")
        await running.events.until("turn.completed", call_id=call_id)
        running.simulator.faults.next("no_session_created", times=5)
        running.simulator.faults.next("abort", after="input_audio_buffer.speech_started")
        await caller.speak(loud(400))
        ended = await running.events.until("call.ended", call_id=call_id, within_s=40)
        await caller.close()

        assert ended.data["reason"] == "max_duration"
        last = running.events.of(call_id, "transcript.final")[-1].data
        assert (last["heard_text"], last["heard_ms"]) == (GOODBYE.text, GOODBYE.ms)
