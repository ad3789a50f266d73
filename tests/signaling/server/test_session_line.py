"""The line to the session: one socket at a time, and the caller's audio kept for the next."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from realtime.client.endpoint import Endpoint
from realtime.client.socket import ConnectFailed
from realtime.simulator.script import Script
from realtime.simulator.server import Simulator
from signaling.server.session_line import FRAME_MS, KEPT_LONGEST_S, KEPT_S, SessionLine

FRAME = bytes(960)


class Listener:
    """Hears as a call does, and lets a test wait for what it hears."""

    def __init__(self) -> None:
        self.messages: list[str] = []
        self.closed: list[str] = []
        self._more = asyncio.Condition()
        self._tasks: set[asyncio.Task[None]] = set()

    def message_received(self, message: bytes) -> None:
        self.messages.append(json.loads(message)["type"])
        self._tell()

    def session_closed(self, code: str, reason: str) -> None:
        self.closed.append(code)
        self._tell()

    def _tell(self) -> None:
        async def notify() -> None:
            async with self._more:
                self._more.notify_all()

        task = asyncio.get_running_loop().create_task(notify())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def until(self, *, created: int = 0, closed: int = 0, cleared: int = 0) -> None:
        async with asyncio.timeout(5), self._more:
            await self._more.wait_for(
                lambda: (
                    self.messages.count("session.created") >= created
                    and self.messages.count("input_audio_buffer.cleared") >= cleared
                    and len(self.closed) >= closed
                )
            )


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with Simulator(mind=Script()) as running:
        yield running


def line_to(simulator: Simulator) -> tuple[SessionLine, Listener]:
    listener = Listener()
    return SessionLine(Endpoint(url=simulator.url, api_key="k"), listener), listener


async def test_the_first_session_that_cannot_be_had_is_an_error(simulator: Simulator) -> None:
    simulator.faults.next("refuse_500")
    line, listener = line_to(simulator)

    with pytest.raises(ConnectFailed):
        await line.open("m")
    await line.close()
    assert listener.closed == []


async def test_a_reopened_line_is_a_new_session_and_the_old_one_is_not_heard_any_more(
    simulator: Simulator,
) -> None:
    line, listener = line_to(simulator)
    await line.open("m")
    await listener.until(created=1)
    line.reopen("m")
    await listener.until(created=2)

    assert await (await simulator.session(0)).ended() == 1000
    assert listener.closed == [], "we left it ourselves"
    line.send(b'{"type":"input_audio_buffer.clear"}')
    await (await simulator.session(1)).client_event("input_audio_buffer.clear")
    await line.close()


async def test_a_session_that_drops_is_told_with_its_code(simulator: Simulator) -> None:
    line, listener = line_to(simulator)
    simulator.faults.next("drop_1011", after="session.created")
    await line.open("m")
    await listener.until(closed=1)

    assert listener.closed == ["closed_1011"]
    await line.close()


async def test_a_session_that_cannot_be_opened_again_is_told_with_the_reason(simulator: Simulator) -> None:
    line, listener = line_to(simulator)
    await line.open("m")
    simulator.faults.next("refuse_401")
    line.reopen("m")
    await listener.until(closed=1)

    assert listener.closed == ["unauthorized"]
    await line.close()


async def test_of_two_sessions_asked_for_at_once_only_the_last_is_the_lines(simulator: Simulator) -> None:
    line, listener = line_to(simulator)
    await line.open("m")
    await listener.until(created=1)
    line.reopen("m")
    line.reopen("m")
    await listener.until(created=2)
    await asyncio.gather(*(session.ended() for session in simulator.sessions[:-1]))

    assert listener.messages.count("session.created") == 2
    assert listener.closed == []
    await line.close()


async def test_what_is_kept_is_sent_to_the_new_session_and_counted_from_nothing(
    simulator: Simulator,
) -> None:
    line, listener = line_to(simulator)
    await line.open("m")
    for number in range(100):
        line.keep(FRAME, number * 0.02, in_speech=False)
        assert line.append(FRAME)
    assert line.appended_ms == 2000
    line.reopen("m")
    assert line.appended_ms == 0
    assert not line.append(FRAME), "there is no session now"
    await listener.until(created=2)
    line.append_kept(0.5, 0.9)
    line.append_kept(1.0, None)

    assert line.appended_ms == (21 + 50) * FRAME_MS
    line.send(b'{"type":"input_audio_buffer.commit"}')
    session = await simulator.session(1)
    await session.client_event("input_audio_buffer.commit")
    assert session.received_audio_ms == line.appended_ms
    await line.close()


@pytest.mark.parametrize(
    ("in_speech", "answers", "kept_s"),
    [(False, True, KEPT_S), (True, True, KEPT_LONGEST_S), (False, False, KEPT_LONGEST_S)],
    ids=["a server that answers", "words being transcribed", "a server that says nothing"],
)
async def test_no_more_is_kept_than_is_promised(
    simulator: Simulator, in_speech: bool, answers: bool, kept_s: float
) -> None:
    line, listener = line_to(simulator)
    await line.open("m")
    await listener.until(created=1)
    for number in range(3000):
        if answers and number % 100 == 0:  # every two seconds of the caller's
            line.send(b'{"type":"input_audio_buffer.clear"}')
            await listener.until(cleared=number // 100 + 1)
        line.keep(FRAME, number * 0.02, in_speech=in_speech)
    line.append_kept(0.0, None)

    assert line.appended_ms == pytest.approx(kept_s * 1000, abs=40)
    await line.close()


@pytest.mark.trap(22)
async def test_closing_while_a_session_is_being_opened_leaves_nothing(simulator: Simulator) -> None:
    line, listener = line_to(simulator)
    await line.open("m")
    line.reopen("m")
    await line.close()
    await line.close()

    assert listener.closed == []
    for session in simulator.sessions:
        await session.ended()
