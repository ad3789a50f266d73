"""A running application with everything behind its doors in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from signaling.settings import Settings
from signaling.web.app import make_app
from signaling.web.feed import Feed
from signaling.web.ports import AgentBook, AgentDrafts, OtherNodes, People
from signaling.web.tokens import Claims, Role, TokenSigner, Use
from tests.fakes.call_desk import FakeArchive, FakeBooks, FakeDesk

SECRET = "a-secret-for-tests-of-more-than-32-bytes"
OFFER = "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n"
SDP = {"Content-Type": "application/sdp"}


@dataclass
class Clock:
    """Unix seconds, moved by the test."""

    at: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.at


@dataclass
class House:
    """One application under test."""

    client: TestClient[Any, Any]
    desk: FakeDesk
    archive: FakeArchive
    feed: Feed
    clock: Clock
    signer: TokenSigner = field(default_factory=lambda: TokenSigner(SECRET))

    def token(self, role: Role = "admin", *, use: Use = "token", lasts_s: int = 3600, **more: Any) -> str:
        now = int(self.clock())
        return self.signer.sign(
            Claims(use=use, role=role, subject="somebody", issued_at=now, expires_at=now + lasts_s, **more)
        )

    def bearer(self, role: Role = "admin", **more: Any) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token(role, **more)}"}

    async def place_call(self, headers: Mapping[str, str] | None = None, **query: str) -> Any:
        own = self.bearer("service") if headers is None else headers
        return await self.client.post("/v1/calls", data=OFFER, headers={**SDP, **own}, params=query)


class Builder:
    """Makes houses with other settings; closes them all."""

    def __init__(self, pages: Path) -> None:
        self._clients: list[TestClient[Any, Any]] = []
        self._pages = pages

    async def __call__(
        self,
        *,
        drafts: AgentDrafts | None = None,
        book: AgentBook | None = None,
        people: People | None = None,
        others: OtherNodes | None = None,
        **settings: Any,
    ) -> House:
        feed, clock = Feed(), Clock()
        desk, archive, books = FakeDesk(feed), FakeArchive(), FakeBooks()
        given = {"auth": {"secret": SECRET}, "server": {"calls_per_minute": 0}} | settings
        app = make_app(
            desk,
            archive,
            feed,
            Settings.model_validate(given),
            agents=book or books,
            drafts=drafts,
            others=others,
            tools=books,
            people=people,
            pages_folder=self._pages,
            now=clock,
        )
        client = TestClient(TestServer(app))
        self._clients.append(client)
        await client.start_server()
        return House(client=client, desk=desk, archive=archive, feed=feed, clock=clock)

    async def close(self) -> None:
        for client in self._clients:
            await client.close()


@pytest.fixture
async def build(tmp_path: Path) -> AsyncIterator[Builder]:
    builder = Builder(tmp_path / "static")
    yield builder
    await builder.close()


@pytest.fixture
async def house(build: Builder) -> House:
    return await build()
