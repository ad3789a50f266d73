"""Holding a test call: wait for the agent to finish, speak, wait for its answer, hang up."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from media.rtc.caller import Caller, CallFailed
from signaling.cli.api import Api, PlacedCall
from signaling.cli.failure import ExitCode, Failure
from signaling.cli.speech_files import write_recording
from signaling.cli.test_call import TestCall
from signaling.settings import ClientSettings

QUIET_S = 0.6
"""The agent has stopped: longer than a breath between two sentences."""
QUIET_PACKETS = 8
"""Packets in QUIET_S that still count as quiet. Speech sends 30 in that time, an idle line one or two."""
GREETING_WITHIN_S = 8.0
"""An agent that has not begun by then waits for the caller."""
GOODBYE_WITHIN_S = 8.0
"""`call.ended` waits up to 5 s for late transcripts."""


async def hold_conversation(
    server: ClientSettings,
    speeches: Sequence[bytes],
    *,
    agent: str | None,
    record: Path | None,
    answer_within_s: float,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Call, say each speech (24 kHz mono s16le) in turn, and report. Raises Failure where no call comes about."""
    caller = Caller()
    async with Api.open(server) as api:
        placed: PlacedCall | None = None

        async def post(offer_sdp: str) -> str:
            nonlocal placed
            placed = await api.place_call(offer_sdp, agent=agent)
            return placed.answer_sdp

        try:
            try:
                await caller.connect(post)
            except CallFailed as error:
                raise Failure(
                    f"no audio path to the server: {error}",
                    remedy="UDP may be blocked, or server.public_ip wrong",
                    code=ExitCode.UNREACHABLE,
                ) from None
            assert placed is not None, "connect posts the offer before it returns"
            return await _Conversation(api, placed, caller, say).hold(speeches, answer_within_s)
        finally:
            if placed is not None:
                await api.hang_up(placed)
            await caller.close()
            if record is not None and caller.received:
                write_recording(record, caller.received)


class _Conversation:
    """One call that stands."""

    def __init__(self, api: Api, placed: PlacedCall, caller: Caller, say: Callable[[str], None]) -> None:
        self._api = api
        self._placed = placed
        self._caller = caller
        self._say = say
        self._call = TestCall(placed.call_id)
        self._news = asyncio.Condition()

    async def hold(self, speeches: Sequence[bytes], answer_within_s: float) -> dict[str, Any]:
        self._say(f"call {self._placed.call_id}")
        answered = spoken = 0
        async with asyncio.TaskGroup() as tasks:
            listening = tasks.create_task(self._listen())
            await self._until(lambda: self._call.answers > 0, GREETING_WITHIN_S)
            await self._until_quiet()
            for speech in speeches:
                if self._call.ended is not None:
                    break
                before = self._call.answers
                await self._caller.speak(speech)
                spoken += 1
                if await self._until(lambda b=before: self._answered(b), answer_within_s):  # type: ignore[misc]
                    answered += 1
                await self._until_quiet()
            await self._api.hang_up(self._placed)
            await self._until(lambda: self._call.ended is not None, GOODBYE_WITHIN_S)
            listening.cancel()
        return self._call.report(spoken=len(speeches), answered=answered)

    def _answered(self, before: int) -> bool:
        """A turn is complete and no tool is at work whose output will be spoken yet."""
        return self._call.answers > before and self._call.tools_running == 0

    async def _listen(self) -> None:
        async for event in self._api.call_events(self._placed):
            self._call.receive(event)
            self._show(event)
            async with self._news:
                self._news.notify_all()

    def _show(self, event: dict[str, Any]) -> None:
        data = event["data"]
        match event["type"]:
            case "transcript.final":
                cut = "  [interrupted]" if data["interrupted"] else ""
                self._say(f"{data['speaker']:>9}  {data['heard_text']}{cut}")
            case "tool.finished":
                self._say(
                    f"{'tool':>9}  {data['name']} {'ok' if data['ok'] else 'failed'} {data['duration_ms']} ms"
                )
            case "turn.completed" if data["response_latency_ms"] is not None:
                self._say(f"{'':>9}  answered after {data['response_latency_ms']} ms")
            case "call.ended":
                self._say(f"{'':>9}  call ended: {data['reason']}, {data['duration_ms'] / 1000:.1f} s")
            case _:
                pass

    async def _until(self, done: Callable[[], bool], within_s: float) -> bool:
        """Wait for events to make `done` true; also ends when the call does."""
        try:
            async with asyncio.timeout(within_s), self._news:
                await self._news.wait_for(lambda: done() or self._call.ended is not None)
        except TimeoutError:
            return False
        return done()

    async def _until_quiet(self) -> None:
        """The line is idle: what is still on its way would be talked over otherwise."""
        loop = asyncio.get_running_loop()
        while True:
            since = loop.time() - QUIET_S
            recent = 0
            for packet in reversed(self._caller.packets):
                if packet.at < since:
                    break
                recent += 1
            if recent <= QUIET_PACKETS:
                return
            await asyncio.sleep(0.1)
