"""A call's recording over real HTTP: whole, in ranges, and all the reasons why there is none."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from signaling.settings import Settings
from signaling.web.app import make_app
from signaling.web.feed import Feed
from signaling.web.ports import RecordingView
from storage.call_ids import new_call_id
from storage.events import CallAnswered
from tests.fakes.call_desk import FakeArchive, FakeBooks, FakeDesk
from tests.signaling.web.conftest import SECRET, Clock, House

CONTENT = bytes(range(256)) * 20


class Shelf:
    """Implements RecordingArchive over one content for every call."""

    def __init__(self) -> None:
        self.views: dict[str, RecordingView] = {}
        self.listeners: list[str] = []
        self.broken = False

    async def find(self, call_id: str) -> RecordingView | None:
        if self.broken:
            raise OSError("the database is away")
        return self.views.get(call_id)

    async def read(self, call_id: str, start: int, length: int) -> AsyncIterator[bytes]:
        if self.views[call_id].bytes != len(CONTENT):
            raise FileNotFoundError(call_id)
        for at in range(start, start + length, 1000):
            yield CONTENT[at : min(at + 1000, start + length)]

    async def heard_by(self, call_id: str, who: str) -> None:
        self.listeners.append(who)


class Recorded:
    """A house with one recorded call."""

    def __init__(self, house: House, shelf: Shelf) -> None:
        self.house = house
        self.shelf = shelf
        self.call_id = new_call_id()
        shelf.views[self.call_id] = RecordingView(state="finished", bytes=len(CONTENT))

    async def get(
        self, *, method: str = "GET", role: str = "operator", call_id: str = "", **headers: str
    ) -> Any:
        own = self.house.bearer(role) | {name.replace("_", "-"): value for name, value in headers.items()}  # type: ignore[arg-type]  # roles by name
        path = f"/v1/calls/{call_id or self.call_id}/recording"
        return await self.house.client.request(method, path, headers=own)


@pytest.fixture
async def recorded() -> AsyncIterator[Recorded]:
    feed, clock, shelf, books = Feed(), Clock(), Shelf(), FakeBooks()
    desk, archive = FakeDesk(feed), FakeArchive()
    settings = Settings.model_validate({"auth": {"secret": SECRET}})
    app = make_app(desk, archive, feed, settings, agents=books, recordings=shelf, now=clock)
    client: TestClient[Any, Any] = TestClient(TestServer(app))
    await client.start_server()
    yield Recorded(House(client=client, desk=desk, archive=archive, feed=feed, clock=clock), shelf)
    await client.close()


async def code_of(response: Any) -> tuple[int, str]:
    return response.status, (await response.json(content_type="application/problem+json"))["code"]


async def test_the_whole_file_comes_as_ogg(recorded: Recorded) -> None:
    response = await recorded.get()

    assert response.status == 200
    assert response.content_type == "audio/ogg"
    assert response.headers["Accept-Ranges"] == "bytes"
    assert response.headers["Cache-Control"] == "private, no-cache"
    assert await response.read() == CONTENT


@pytest.mark.parametrize(
    ("asked", "first", "last"),
    [
        ("bytes=0-0", 0, 0),
        ("bytes=100-2999", 100, 2999),
        ("bytes=5000-", 5000, len(CONTENT) - 1),
        ("bytes=0-", 0, len(CONTENT) - 1),
        ("bytes=-20", len(CONTENT) - 20, len(CONTENT) - 1),
        ("bytes=-999999", 0, len(CONTENT) - 1),
        ("bytes=10-999999", 10, len(CONTENT) - 1),
    ],
)
async def test_a_range_is_answered_with_that_part(
    recorded: Recorded, asked: str, first: int, last: int
) -> None:
    response = await recorded.get(Range=asked)

    assert response.status == 206
    assert response.headers["Content-Range"] == f"bytes {first}-{last}/{len(CONTENT)}"
    assert await response.read() == CONTENT[first : last + 1]


@pytest.mark.parametrize("asked", ["bytes=5120-", "bytes=99999-100000"])
async def test_a_range_behind_the_end_is_416_and_says_how_long_it_is(recorded: Recorded, asked: str) -> None:
    response = await recorded.get(Range=asked)

    assert response.status == 416
    assert response.headers["Content-Range"] == f"bytes */{len(CONTENT)}"


@pytest.mark.parametrize("asked", ["bytes=0-1,5-6", "lines=1-2", "bytes=x", "bytes=9-2"])
async def test_a_range_that_is_not_read_here_gets_the_whole_file(recorded: Recorded, asked: str) -> None:
    response = await recorded.get(Range=asked)

    assert (response.status, await response.read()) == (200, CONTENT)


async def test_head_says_how_much_there_is(recorded: Recorded) -> None:
    response = await recorded.get(method="HEAD")

    assert response.status == 200
    assert response.headers["Content-Length"] == str(len(CONTENT))
    assert response.headers["Content-Type"] == "audio/ogg"
    assert await response.read() == b""
    assert recorded.shelf.listeners == []


async def test_what_a_browser_has_already_is_not_sent_again(recorded: Recorded) -> None:
    tag = (await recorded.get()).headers["ETag"]

    assert (await recorded.get(If_None_Match=tag)).status == 304
    assert (await recorded.get(If_Range=tag, Range="bytes=0-9")).status == 206
    assert (await recorded.get(If_Range='"another"', Range="bytes=0-9")).status == 200


async def test_who_listens_is_written_down_once_and_not_for_each_range(recorded: Recorded) -> None:
    await recorded.get(Range="bytes=0-99")
    await recorded.get(Range="bytes=100-199")

    assert recorded.shelf.listeners == ["somebody"]


@pytest.mark.parametrize(
    ("role", "status"), [("operator", 200), ("admin", 200), ("service", 403), ("caller", 403)]
)
async def test_only_operators_and_admins_may_listen(recorded: Recorded, role: str, status: int) -> None:
    assert (await recorded.get(role=role)).status == status


async def test_a_call_that_was_not_recorded_and_one_that_never_was(recorded: Recorded) -> None:
    told = recorded.house.desk.running_call()
    told.tell(CallAnswered(setup_ms=1, codec="opus"))

    assert await code_of(await recorded.get(call_id=told.id)) == (404, "not_recorded")
    assert await code_of(await recorded.get(call_id=new_call_id())) == (404, "unknown_call")


@pytest.mark.parametrize(
    ("view", "answer"),
    [
        (RecordingView(state="recording"), (404, "recording_not_finished")),
        (RecordingView(state="deleted", deleted_because="refused"), (410, "recording_refused")),
        (RecordingView(state="deleted", deleted_because="erased"), (410, "recording_erased")),
        (RecordingView(state="deleted", deleted_because="expired"), (410, "recording_expired")),
        (RecordingView(state="elsewhere", node="two"), (503, "record_unavailable")),
        (RecordingView(state="finished", bytes=7), (503, "record_unavailable")),  # its file cannot be read
    ],
)
async def test_why_there_is_nothing_to_hear(
    recorded: Recorded, view: RecordingView, answer: tuple[int, str]
) -> None:
    recorded.shelf.views[recorded.call_id] = view

    assert await code_of(await recorded.get()) == answer


async def test_while_the_database_is_away_nothing_is_given(recorded: Recorded) -> None:
    recorded.shelf.broken = True

    assert await code_of(await recorded.get()) == (503, "record_unavailable")
