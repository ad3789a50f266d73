"""When a call's recording begins and what ends it, told event by event; the files are real."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from media.files.ogg_opus import SUFFIX
from media.format import FRAME_BYTES
from realtime.agent import Agent
from realtime.agent import Recording as Wish
from signaling.server.call_recording import CallRecording
from signaling.server.recordings import Recordings
from storage.call_ids import new_call_id
from storage.events import CallAnswered, Event, TranscriptFinal
from storage.postgres.audit import AuditLog
from storage.postgres.pool import Database
from storage.postgres.recordings import RecordingBook

NOTICE = "This call is recorded."
ANSWERED = CallAnswered(setup_ms=100, codec="opus")


def spoken(heard_text: str, *, speaker: str = "agent") -> TranscriptFinal:
    return TranscriptFinal(
        item_id="item",
        position=0,
        speaker=speaker,  # type: ignore[arg-type]  # one of the three
        text=f"{NOTICE} How can I help?",
        heard_text=heard_text,
        heard_ms=1000,
        started_at="2026-11-23T09:00:00.000Z",
        interrupted=False,
    )


@dataclass
class Call:
    """One call's recording and all it has put on record."""

    recording: CallRecording
    call_id: str
    folder: Path
    events: list[Event] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        return [each.type for each in self.events]

    def talk(self, frames: int = 10) -> None:
        now = asyncio.get_running_loop().time()
        for number in range(frames):
            self.recording.caller_said(bytes(FRAME_BYTES), now + number * 0.02)

    async def over(self) -> None:
        self.recording.finish(asyncio.get_running_loop().time())
        if self.recording.pending:
            await self.recording.finished()

    def kept(self) -> bool:
        return (self.folder / (self.call_id + SUFFIX)).exists()


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@pytest.fixture
async def room(tmp_path: Path, database: Database) -> AsyncIterator[Recordings]:
    room = Recordings(tmp_path / "kept", RecordingBook(database, tenant="default", node="one"))
    yield room
    await room.close()


def a_call(
    room: Recordings, folder: Path, *, notice: str | None = NOTICE, audit: AuditLog | None = None
) -> Call:
    agent = Agent(id="desk", name="Emma", recording=Wish(enabled=True, notice=notice))
    call_id, events = new_call_id(), list[Event]()
    started = asyncio.get_running_loop().time()
    recording = CallRecording(call_id, agent, room, started=started, publish=events.append, audit=audit)
    return Call(recording, call_id, folder, events)


async def test_it_begins_when_the_notice_has_been_heard_to_its_end(room: Recordings, tmp_path: Path) -> None:
    call = a_call(room, tmp_path / "kept")
    call.recording.happened(ANSWERED)
    call.talk()
    call.recording.happened(spoken("This call is"))
    call.recording.happened(spoken(NOTICE, speaker="caller"))
    assert call.types == []
    call.recording.happened(spoken(f"{NOTICE} How can"))
    call.recording.happened(spoken(f"{NOTICE} How can"))  # said again: nothing begins twice
    call.talk()
    await call.over()

    assert call.types == ["recording.started", "recording.finished"]
    assert call.kept()


async def test_without_a_notice_it_begins_with_the_media(room: Recordings, tmp_path: Path) -> None:
    call = a_call(room, tmp_path / "kept", notice=None)
    call.recording.happened(ANSWERED)
    assert call.types == ["recording.started"]
    await call.over()
    await call.over()

    assert call.types == ["recording.started", "recording.finished"]


async def test_a_call_that_ends_before_the_notice_was_heard_is_not_recorded(
    room: Recordings, tmp_path: Path
) -> None:
    call = a_call(room, tmp_path / "kept")
    call.recording.happened(ANSWERED)
    call.talk()
    await call.over()
    call.recording.happened(spoken(NOTICE))  # the transcript of the goodbye comes late

    assert call.types == []
    assert not (tmp_path / "kept").exists()


async def test_a_refusal_before_it_began_keeps_it_from_beginning(room: Recordings, tmp_path: Path) -> None:
    call = a_call(room, tmp_path / "kept")
    call.recording.happened(ANSWERED)
    await call.recording.refuse()
    call.recording.happened(spoken(NOTICE))
    call.talk()
    await call.over()

    assert call.types == ["recording.deleted"]
    assert not call.kept()


async def test_a_refusal_deletes_at_once_and_is_in_the_audit_log_once(
    room: Recordings, tmp_path: Path, database: Database
) -> None:
    call = a_call(room, tmp_path / "kept", notice=None, audit=AuditLog(database))
    call.recording.happened(ANSWERED)
    call.talk()
    await call.recording.refuse()
    await call.recording.refuse()
    assert not any((tmp_path / "kept").iterdir())
    call.talk()
    await call.over()

    assert call.types == ["recording.started", "recording.deleted"]
    async with database.connection() as connection:
        assert (
            await connection.fetchval("SELECT count(*) FROM audit_log WHERE action = 'recording.refused'")
            == 1
        )


async def test_a_folder_that_cannot_be_made_costs_the_recording_and_not_the_call(
    tmp_path: Path, database: Database
) -> None:
    (tmp_path / "kept").write_text("a file where the folder should be")
    room = Recordings(tmp_path / "kept", RecordingBook(database, tenant="default", node="one"))
    call = a_call(room, tmp_path / "kept", notice=None)
    call.recording.happened(ANSWERED)
    call.talk()
    await call.over()
    await room.close()

    assert call.types == []
