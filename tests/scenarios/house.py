"""A whole running Cordboard for a scenario: `cordboard serve` and `cordboard worker` as processes of their own.

Redis and Postgres are real; the model is the simulator, in the test's process, so that a test can look at what
the server sent it and when.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from media.rtc.caller import Caller
from realtime.simulator.script import Script
from realtime.simulator.server import Simulator
from signaling.web.tokens import Claims, Role, TokenSigner
from storage.bus.subscriber import Subscriber
from storage.envelope import Envelope
from tests.fakes.servers import free_port

ROOT = Path(__file__).parent.parent.parent
SECRET = "a secret of the tests, long enough for HS256"
AGENT = "dental-reception"


class Events:
    """Everything that a plain subscriber of Redis sees, in the order it came; can be waited for."""

    def __init__(self) -> None:
        self.seen: list[Envelope] = []
        self._more = asyncio.Condition()

    async def follow(self, redis_url: str, ready: asyncio.Event) -> None:
        async for envelope in Subscriber(redis_url, ["cordboard:default:calls:*"], on_connect=ready.set):
            async with self._more:
                self.seen.append(envelope)
                self._more.notify_all()

    def of(self, call_id: str, kind: str | None = None) -> list[Envelope]:
        """The numbered events of a call, all or of one type."""
        return [
            each
            for each in self.seen
            if each.call_id == call_id and each.seq is not None and kind in (None, each.type)
        ]

    async def until(
        self,
        kind: str,
        *,
        call_id: str | None = None,
        count: int = 1,
        within_s: float = 20.0,
        where: Callable[[Mapping[str, Any]], bool] = lambda data: True,
    ) -> Envelope:
        """The `count`-th event of this type, as soon as it is there."""

        def found() -> list[Envelope]:
            return [
                each
                for each in self.seen
                if each.type == kind and call_id in (None, each.call_id) and where(each.data)
            ]

        try:
            async with asyncio.timeout(within_s), self._more:
                await self._more.wait_for(lambda: len(found()) >= count)
        except TimeoutError:
            came = [each.type for each in self.seen]
            raise AssertionError(f"no {count} x {kind} within {within_s} s; there came {came}") from None
        return found()[count - 1]


@dataclass(slots=True)
class House:
    """What a scenario can reach."""

    url: str
    simulator: Simulator
    events: Events
    redis_url: str
    database_url: str
    http: aiohttp.ClientSession
    environment: dict[str, str]
    processes: dict[str, asyncio.subprocess.Process] = field(default_factory=dict)
    logs: dict[str, Path] = field(default_factory=dict)

    async def call(self, *, agent: str = AGENT) -> tuple[Caller, str]:
        """A connected caller and its call's id."""
        caller = Caller()
        call_id = ""

        async def post(offer: str) -> str:
            nonlocal call_id
            async with self.http.post(
                f"/v1/calls?agent={agent}", data=offer, headers={"Content-Type": "application/sdp"}
            ) as response:
                assert response.status == 201, await response.text()
                call_id = response.headers["Location"].rsplit("/", 1)[1]
                return await response.text()

        try:
            await caller.connect(post)
        except BaseException:
            await caller.close()  # nobody else has it
            raise
        return caller, call_id

    async def start(self, verb: str, *arguments: str, folder: Path) -> asyncio.subprocess.Process:
        """A `cordboard` process; its output goes to `logs[verb]`."""
        self.logs[verb] = folder / f"{verb}.log"
        with self.logs[verb].open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "signaling", verb, *arguments,
                cwd=folder, env=self.environment, stdout=log, stderr=log,
            )  # fmt: skip
        self.processes[verb] = process
        return process

    async def ready(self, within_s: float = 30.0) -> None:
        """Until `/readyz` says that a call would be answered."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                async with self.http.get("/readyz") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            if self.processes["serve"].returncode is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server is not ready:\n{self.logs['serve'].read_text()}")
            # A process that is starting cannot tell anybody; asking is all there is.
            await asyncio.sleep(0.05)


def bearer(role: Role) -> str:
    now = int(time.time())
    claims = Claims(use="token", role=role, subject="test", issued_at=now, expires_at=now + 3600)
    return f"Bearer {TokenSigner(SECRET).sign(claims)}"


@asynccontextmanager
async def open_house(
    *,
    redis_url: str,
    database_url: str,
    folder: Path,
    mind: Script | None = None,
    minds: Mapping[str, Script] | None = None,
    settings: Mapping[str, str] | None = None,
    worker: bool = True,
    redis_is_up: bool = True,
) -> AsyncIterator[House]:
    """Everything running; everything stopped afterwards, cleanly. `mind=None`: the simulator that speaks.

    `minds`: scripts for the sessions of agents whose `model` is so called.
    """
    port = free_port()
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(Simulator(mind=mind or "spoken", minds=minds))
        http = await stack.enter_async_context(
            aiohttp.ClientSession(f"http://127.0.0.1:{port}", headers={"Authorization": bearer("service")})
        )
        house = House(
            url=f"http://127.0.0.1:{port}",
            simulator=simulator,
            events=Events(),
            redis_url=redis_url,
            database_url=database_url,
            http=http,
            environment={
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "PYTHONPATH": str(ROOT),
                "REDIS_URL": redis_url,
                "DATABASE_URL": database_url,
                "CORDBOARD_HTTP_PORT": str(port),
                "CORDBOARD_AUTH__SECRET": SECRET,
                "CORDBOARD_REALTIME__URL": simulator.url,
                "CORDBOARD_REALTIME__API_KEY": "test",
                "CORDBOARD_AGENTS__PATH": str(ROOT / "deploy" / "agents"),
                "CORDBOARD_SERVER__CALLS_PER_MINUTE": "0",
                # A caller who closes the connection has hung up: only tests of coming back wait for more.
                "CORDBOARD_MEDIA__RESUME_S": "0",
                **(settings or {}),
            },
        )
        subscribed = asyncio.Event()
        following = asyncio.create_task(house.events.follow(redis_url, subscribed))
        stack.callback(following.cancel)
        if redis_is_up:
            await subscribed.wait()
        stack.push_async_callback(_stop, house)
        if worker:
            await house.start("worker", folder=folder)
        await house.start("serve", folder=folder)
        await house.ready()
        yield house


async def _stop(house: House) -> None:
    for process in house.processes.values():
        if process.returncode is None:
            process.send_signal(signal.SIGTERM)
    for name, process in house.processes.items():
        try:
            async with asyncio.timeout(40):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()
            raise AssertionError(f"{name} did not stop:\n{house.logs[name].read_text()}") from None
