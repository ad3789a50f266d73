"""A server's recordings with a real database and a real object store: registered, moved, deleted, taken up again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from media.files.ogg_opus import SUFFIX, UNFINISHED
from media.files.recorder import Recorder
from signaling.server.recordings import Recordings
from signaling.web.ports import RecordingView
from storage.call_ids import new_call_id
from storage.objects.bucket import Bucket, BucketAddress
from storage.postgres.audit import AuditLog
from storage.postgres.pool import Connection, Database
from storage.postgres.recordings import RecordingBook, delete_recordings, older_than, outstanding
from tests.benchmarks.media_leg import voice
from tests.fakes.eventually import eventually
from tests.fakes.object_store import ObjectStore, object_store
from tests.fakes.servers import PostgresServer, free_port


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with object_store() as running:
        yield running


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url)
    yield database
    await database.close()


@asynccontextmanager
async def running(
    folder: Path, database: Database, *, node: str = "one", bucket: Bucket | None = None
) -> AsyncIterator[Recordings]:
    """A server's recordings with their keeper, closed as a server closes them."""
    room = Recordings(
        folder,
        RecordingBook(database, tenant="default", node=node),
        bucket=bucket,
        audit=AuditLog(database),
        look_every_s=0.1,
    )
    keeping = asyncio.create_task(room.keep())
    try:
        yield room
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])
        await room.close()


def speak(room: Recordings, call_id: str, seconds: int = 2) -> None:
    """A whole call's recording, handed over at once."""
    recording = room.start(call_id, 0.0)
    pcm = voice(seconds)
    for number in range(seconds * 50):
        recording.caller(pcm[number * 960 : (number + 1) * 960], number * 0.02)
    recording.finish(seconds)


async def state_of(room: Recordings, call_id: str) -> str | None:
    view = await room.find(call_id)
    return None if view is None else view.state


async def until(room: Recordings, call_id: str, state: str) -> RecordingView:
    async def reached() -> bool:
        return await state_of(room, call_id) == state

    await eventually(reached)
    view = await room.find(call_id)
    assert view is not None
    return view


async def nothing_outstanding(connection: Connection, call_ids: list[str]) -> bool:
    return not await outstanding(connection, call_ids)


async def content(room: Recordings, call_id: str, size: int) -> bytes:
    return b"".join([piece async for piece in room.read(call_id, 0, size)])


async def test_a_finished_recording_is_registered_and_read(tmp_path: Path, database: Database) -> None:
    async with running(tmp_path, database) as room:
        call_id = new_call_id()
        assert await room.find(call_id) is None
        speak(room, call_id)
        assert await state_of(room, call_id) == "recording"
        view = await until(room, call_id, "finished")

        assert await content(room, call_id, view.bytes) == (tmp_path / (call_id + SUFFIX)).read_bytes()


async def test_what_a_killed_server_left_is_finished_and_registered_at_the_next_start(
    tmp_path: Path, database: Database
) -> None:
    whole, call_id = Recorder(tmp_path), new_call_id()
    recording = whole.start("whole", 0.0)
    pcm = voice(5)
    for number in range(250):
        recording.caller(pcm[number * 960 : (number + 1) * 960], number * 0.02)
    await asyncio.to_thread(whole.close, 5.0)
    cut = (tmp_path / ("whole" + SUFFIX)).read_bytes()[:20_000]
    (tmp_path / ("whole" + SUFFIX)).unlink()
    (tmp_path / (call_id + UNFINISHED)).write_bytes(cut)

    async with running(tmp_path, database) as room:
        view = await until(room, call_id, "finished")
        assert 0 < view.bytes <= 20_000


async def test_a_recording_waits_for_the_database(tmp_path: Path, postgres_server: PostgresServer) -> None:
    database = Database(postgres_server.fresh_database("cordboard_template"))
    async with running(tmp_path, database) as room:
        call_id = new_call_id()
        postgres_server.stop()
        speak(room, call_id)
        await eventually(lambda: (tmp_path / (call_id + SUFFIX)).exists())
        with pytest.raises(OSError, match="record"):
            await room.find(new_call_id())
        postgres_server.start()

        async def registered() -> bool:
            try:
                return await state_of(room, call_id) == "finished"
            except OSError:
                return False  # it is starting

        await eventually(registered, within=40)
    await database.close()


async def test_a_finished_recording_is_moved_to_the_store_and_the_folder_is_empty(
    tmp_path: Path, database: Database, store: ObjectStore
) -> None:
    async with running(tmp_path, database, bucket=Bucket(store.address)) as room:
        call_id = new_call_id()
        speak(room, call_id)
        view = await until(room, call_id, "finished")
        await eventually(lambda: not (tmp_path / (call_id + SUFFIX)).exists())

        assert f"calls/{call_id}{SUFFIX}" in store.names()
        audio = await content(room, call_id, view.bytes)
        assert audio.startswith(b"OggS")
        assert len(audio) == view.bytes
    async with running(tmp_path, database, node="two", bucket=Bucket(store.address)) as other:
        assert await content(other, call_id, view.bytes) == audio  # any server reads what is in the store


async def test_while_the_store_is_away_the_file_stays_and_can_be_heard(
    tmp_path: Path, database: Database
) -> None:
    port = free_port()
    away = BucketAddress(
        url="s3://recordings/calls",
        endpoint=f"http://127.0.0.1:{port}",
        access_key="key",
        secret_key="secret",
    )
    call_id = new_call_id()
    async with running(tmp_path, database, bucket=Bucket(away)) as room:
        speak(room, call_id)
        view = await until(room, call_id, "finished")
        assert len(await content(room, call_id, view.bytes)) == view.bytes
        assert (tmp_path / (call_id + SUFFIX)).exists()
    with object_store(port) as back:
        async with running(tmp_path, database, bucket=Bucket(away)):
            await eventually(lambda: not (tmp_path / (call_id + SUFFIX)).exists())
        assert f"calls/{call_id}{SUFFIX}" in back.names()


async def test_a_deleted_recording_is_given_to_nobody_and_then_removed(
    tmp_path: Path, database: Database, store: ObjectStore
) -> None:
    here, there, never = new_call_id(), new_call_id(), new_call_id()
    async with running(tmp_path / "disk", database) as on_disk:
        speak(on_disk, here)
        await until(on_disk, here, "finished")
        async with running(
            tmp_path / "spool", database, node="two", bucket=Bucket(store.address)
        ) as in_store:
            speak(in_store, there)
            await until(in_store, there, "finished")
            await eventually(lambda: f"calls/{there}{SUFFIX}" in store.names())
            await eventually(lambda: not (tmp_path / "spool" / (there + SUFFIX)).exists())

            async with database.connection() as connection:
                count = await delete_recordings(connection, "default", [here, there, never], because="erased")
            assert count == 2
            for call_id in (here, there, never):
                view = await on_disk.find(call_id)
                assert view == RecordingView(state="deleted", deleted_because="erased")
            await eventually(lambda: not (tmp_path / "disk" / (here + SUFFIX)).exists())
            await eventually(lambda: f"calls/{there}{SUFFIX}" not in store.names())
            async with database.connection() as connection:
                await eventually(lambda: nothing_outstanding(connection, [here, there, never]))


async def test_a_file_that_turns_up_after_its_call_was_erased_goes_too(
    tmp_path: Path, database: Database
) -> None:
    call_id = new_call_id()
    async with database.connection() as connection:
        await delete_recordings(connection, "default", [call_id], because="erased")
    async with running(tmp_path, database) as room:
        speak(room, call_id)
        await eventually(lambda: call_id not in room._waiting and not list(tmp_path.iterdir()))
        assert await state_of(room, call_id) == "deleted"
    async with database.connection() as connection:
        assert await outstanding(connection, [call_id]) == {}


async def test_a_refused_recording_is_gone_at_once_and_stays_refused(
    tmp_path: Path, database: Database
) -> None:
    call_id = new_call_id()
    async with running(tmp_path, database) as room:
        recording = room.start(call_id, 0.0)
        recording.caller(voice(1)[:960], 0.0)
        await room.refuse(call_id)
        assert not (tmp_path / (call_id + UNFINISHED)).exists()
        assert not (tmp_path / (call_id + SUFFIX)).exists()
        assert await room.find(call_id) == RecordingView(state="deleted", deleted_because="refused")
        await eventually(lambda: not room._refused)
    async with running(tmp_path, database) as later:
        assert await later.find(call_id) == RecordingView(state="deleted", deleted_because="refused")


async def test_what_is_old_is_found_for_retention(tmp_path: Path, database: Database) -> None:
    first, second = new_call_id(), new_call_id()
    async with running(tmp_path, database) as room:
        for call_id in (first, second):
            speak(room, call_id)
            await until(room, call_id, "finished")
    async with database.connection() as connection:
        await connection.execute(
            "UPDATE recordings SET finished_at = now() - interval '40 days' WHERE call_id = $1", first
        )
        month_ago = await connection.fetchval("SELECT now() - interval '30 days'")
        assert await older_than(connection, "default", month_ago) == [first]
        await delete_recordings(connection, "default", [first], because="expired")
        assert await older_than(connection, "default", month_ago) == []


async def test_another_servers_disk_is_named(tmp_path: Path, database: Database) -> None:
    call_id = new_call_id()
    async with running(tmp_path / "one", database) as room:
        speak(room, call_id)
        await until(room, call_id, "finished")
    async with running(tmp_path / "two", database, node="two") as other:
        assert await other.find(call_id) == RecordingView(state="elsewhere", node="one")


async def test_closing_finishes_and_registers_what_runs(tmp_path: Path, database: Database) -> None:
    call_id = new_call_id()
    async with running(tmp_path, database) as room:
        recording = room.start(call_id, asyncio.get_running_loop().time())
        recording.caller(voice(1)[:960], asyncio.get_running_loop().time())
    async with running(tmp_path, database) as again:
        assert await state_of(again, call_id) == "finished"


async def test_who_listened_is_in_the_audit_log(tmp_path: Path, database: Database) -> None:
    call_id = new_call_id()
    async with running(tmp_path, database) as room:
        await room.heard_by(call_id, "ann")
    async with database.connection() as connection:
        (row,) = await connection.fetch("SELECT actor, action, subject FROM audit_log")
    assert tuple(row) == ("ann", "recording.heard", call_id)
