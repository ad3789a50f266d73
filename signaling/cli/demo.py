"""`cordboard demo`: everything on one machine with nothing else installed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import shlex
import signal
import sys
import time
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from signaling.cli.environment import DEMO_ENV_FILE, read_settings
from signaling.cli.failure import ExitCode, Failure

if TYPE_CHECKING:
    from signaling.cli.processes import Process
    from signaling.settings import Settings
    from storage.people import PersonRole

FOLDER = Path(DEMO_ENV_FILE).parent
DRAIN_LIMIT_S = 5.0
"""Ctrl-C in a demo means now; a server in production waits for its calls."""
READY_WITHIN_S = 120.0
"""A first start makes a database cluster and loads the speech models, on a slow machine too."""
STOP_SERVER_WITHIN_S = 60.0
STOP_WITHIN_S = 15.0
OPENAI_URL = "api.openai.com"
PEOPLE: tuple[tuple[str, str, PersonRole], ...] = (
    ("sato", "Sato Hanako", "operator"),
    ("mori", "Mori Ken", "operator"),
    ("boss", "Boss", "admin"),
)
"""Who may sign in to the console of a demo: two at the desk, so that one can see what the other does."""


def demo(port: Annotated[int | None, typer.Option(help="HTTP port (CORDBOARD_HTTP_PORT).")] = None) -> None:
    """Run everything here, in the foreground: Redis, Postgres, worker, server and, without a key, the model.

    Ctrl-C stops all of it. Data stays in .cordboard/; remove that folder to begin again.
    """
    settings = read_settings({"server": {"port": port}})
    from signaling.cli.check import port_problem

    busy = port_problem(settings.server.host, settings.server.port)
    if busy is not None:
        raise Failure(busy, remedy="stop what is there, or set CORDBOARD_HTTP_PORT", code=ExitCode.PORT_BUSY)
    asyncio.run(Demo(settings).run())


class Demo:
    """Started in the order of need, stopped in reverse. One `run()`; it raises Failure if a part ends early."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._secret = secrets.token_hex(32)
        self._password: str | None = None  # of the demo's people, while there are any
        self._stop = asyncio.Event()
        self._server: Process | None = None
        self._model_url = settings.realtime.url

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._asked_to_stop)
        work = asyncio.create_task(self._work())
        asked = asyncio.create_task(self._stop.wait())
        await asyncio.wait([work, asked], return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not work.done():
            typer.echo("\nstopping …")
            work.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await work

    def _asked_to_stop(self) -> None:
        """The second time somebody is in a hurry, and the server knows what that means."""
        if self._stop.is_set() and self._server is not None:
            self._server.terminate()
        self._stop.set()

    async def _work(self) -> None:
        from storage.embedded.binaries import EmbeddedServersError
        from storage.embedded.servers import EmbeddedServers

        began = time.monotonic()
        FOLDER.mkdir(mode=0o700, exist_ok=True)
        typer.echo("starting Redis and Postgres …")
        try:
            async with AsyncExitStack() as stack:
                servers = await stack.enter_async_context(EmbeddedServers(FOLDER / "data"))
                await self._prepare(servers.database_url)
                parts = await self._start_parts(stack, servers.redis_url, servers.database_url)
                self._write_env(stack, servers.redis_url, servers.database_url)
                typer.echo(self._banner(time.monotonic() - began))
                raise Failure(await _first_to_end(parts, servers.failed))
        except EmbeddedServersError as error:
            raise Failure(str(error), code=ExitCode.UNREACHABLE) from None

    async def _prepare(self, database_url: str) -> None:
        from zoneinfo import ZoneInfo

        from signaling.cli.agent_files import load
        from storage.postgres.demo_practice import seed_demo
        from storage.postgres.migrate import migrate

        agents = load(self._settings.agents.path)
        zone = ZoneInfo(next(iter(agents.values())).timezone)
        await migrate(database_url)
        await seed_demo(database_url, today=datetime.now(zone).date(), zone=zone)
        queues = {"default", *(agent.handoff.queue for agent in agents.values())}
        await self._seat_people(database_url, tuple(sorted(queues)))

    async def _seat_people(self, database_url: str, queues: tuple[str, ...]) -> None:
        """People who are ready to sign in, with a password of this start. Never where others could reach it."""
        from signaling.web.auth import is_loopback
        from signaling.web.passwords import hash_password
        from storage.people import Person, PersonUnknown
        from storage.postgres.people import PeopleBook
        from storage.postgres.pool import Database

        host = self._settings.server.host
        here = host == "localhost" or is_loopback(host)
        self._password = secrets.token_urlsafe(9) if here else None
        database = Database(database_url, max_size=1)
        try:
            people = PeopleBook(database, self._settings.tenant)
            for id, name, role in PEOPLE:
                with contextlib.suppress(PersonUnknown):  # of an earlier start
                    await people.remove(id)
                if self._password is not None:
                    hashed = await asyncio.to_thread(hash_password, self._password)
                    await people.add(Person(id=id, name=name, role=role, queues=queues), hashed)
        finally:
            await database.close()

    async def _start_parts(self, stack: AsyncExitStack, redis_url: str, database_url: str) -> list[Process]:
        from signaling.cli.processes import Process

        variables = self._variables(redis_url, database_url)
        logs = FOLDER / "logs"
        parts = [Process("worker", ["worker"], variables, log=logs / "worker.log")]
        if self._simulated:
            typer.echo("loading the simulator's ears and voice …")
            port = free_port()
            variables["CORDBOARD_REALTIME__URL"] = self._model_url = f"ws://127.0.0.1:{port}/v1"
            variables["CORDBOARD_REALTIME__API_KEY"] = "simulator"
            arguments = ["simulate", "--port", str(port)]
            parts.append(Process("simulator", arguments, variables, log=logs / "simulator.log"))
        for part in parts:
            stack.push_async_callback(part.stop, within_s=STOP_WITHIN_S)
        async with asyncio.TaskGroup() as starting:
            for part in parts:
                starting.create_task(part.start_and_wait_ready(within_s=READY_WITHIN_S))
        self._server = Process("server", ["serve"], variables)
        stack.push_async_callback(self._server.stop, within_s=STOP_SERVER_WITHIN_S)
        await self._server.start_and_wait_ready(within_s=READY_WITHIN_S)
        await self._until_ready(self._server)
        return [*parts, self._server]

    @property
    def _simulated(self) -> bool:
        realtime = self._settings.realtime
        return realtime.api_key is None and OPENAI_URL in realtime.url

    def _variables(self, redis_url: str, database_url: str) -> dict[str, str]:
        """The exact names win over whatever else is in the environment or in files."""
        server = self._settings.server
        drain_limit_s = server.drain_limit_s if "drain_limit_s" in server.model_fields_set else DRAIN_LIMIT_S
        return {
            "CORDBOARD_REDIS_URL": redis_url,
            "CORDBOARD_DATABASE_URL": database_url,
            "CORDBOARD_AUTH__SECRET": self._secret,
            "CORDBOARD_DEMO": "true",
            "CORDBOARD_OUTBOX__PATH": self._settings.outbox.path or str(FOLDER / "data" / "outbox.sqlite"),
            "CORDBOARD_SERVER__HOST": server.host,
            "CORDBOARD_SERVER__PORT": str(server.port),
            "CORDBOARD_SERVER__DRAIN_LIMIT_S": str(drain_limit_s),
            # One person at one machine, trying things out: every call comes from the same address.
            "CORDBOARD_SERVER__CALLS_PER_MINUTE": str(
                server.calls_per_minute if "calls_per_minute" in server.model_fields_set else 0
            ),
        }

    async def _until_ready(self, server: Process) -> None:
        """The doors are open; now the model must be reachable too. Raises Failure with the server's reasons."""
        from signaling.cli.api import Api
        from signaling.settings import ClientSettings

        reasons = "no answer"
        async with Api.open(ClientSettings(url=self._url)) as api:
            try:
                async with asyncio.timeout(READY_WITHIN_S):
                    while server.running:
                        status, body = await api.get("/readyz")
                        if status == 200:
                            return
                        reasons = "; ".join((body or {}).get("reasons", [])) or f"it answers {status}"
                        await asyncio.sleep(0.2)
            except TimeoutError:
                raise Failure(f"the server does not become ready: {reasons}") from None
        raise Failure("the server ended while starting", remedy="its own message stands above")

    @property
    def _url(self) -> str:
        """With `localhost`: browsers give a page the microphone there, and on no other plain http address."""
        return f"http://localhost:{self._settings.server.port}"

    def _write_env(self, stack: AsyncExitStack, redis_url: str, database_url: str) -> None:
        """Only for us (0600), and only while the system runs."""
        from signaling.web.tokens import Claims, TokenSigner

        now = int(time.time())
        admin = Claims(use="token", role="admin", subject="demo", issued_at=now, expires_at=now + 30 * 86400)
        values = {
            "REDIS_URL": redis_url,
            "DATABASE_URL": database_url,
            "CORDBOARD_URL": self._url,
            "CORDBOARD_TOKEN": TokenSigner(self._secret).sign(admin),
            "CORDBOARD_AUTH__SECRET": self._secret,
        }
        if self._simulated:
            values["CORDBOARD_REALTIME__URL"] = self._model_url
        text = "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())
        path = Path(DEMO_ENV_FILE)
        fresh = path.with_name("env.new")
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(text)
        fresh.replace(path)
        stack.callback(path.unlink, missing_ok=True)

    def _who_may_sign_in(self) -> str:
        if self._password is None:
            return f"(make somebody an operator: {command_name()} people add NAME)"
        ids = [id for id, _, _ in PEOPLE]
        return f"sign in as {', '.join(ids[:-1])} or {ids[-1]}, password {self._password}"

    def _banner(self, took_s: float) -> str:
        from signaling.cli.check import pages_built
        from signaling.web.app import our_version
        from signaling.web.pages import BUILD_COMMAND

        model = self._settings.realtime.model
        command = command_name()
        lines = [
            "",
            f"Cordboard {our_version()} is ready after {took_s:.0f} s. Ctrl-C stops everything.",
            "",
            f"  Phone     {self._url}/phone",
            f"  Console   {self._url}/console   {self._who_may_sign_in()}",
            f"  API       {self._url}/openapi.json   {self._url}/asyncapi.json",
            f"  Model     {'the simulator' if self._simulated else model + ' at ' + self._settings.realtime.url}",
            f"  Terminal  {command} call --file hello.wav     {command} events tail",
            f"  Redis     set -a; . {DEMO_ENV_FILE}; redis-cli -u \"$REDIS_URL\" PSUBSCRIBE 'cordboard:*'",
            f'  Postgres  set -a; . {DEMO_ENV_FILE}; psql "$DATABASE_URL"',
        ]
        off = []
        if self._simulated:
            off.append(
                f"{model}: there is no OPENAI_API_KEY; with it in the environment the real model answers"
            )
        if not pages_built():
            off.append(f"the pages are not built: {BUILD_COMMAND}")
        if not self._settings.sip.listen:
            off.append("phone lines (SIP): `make demo-sip` shows one; deploy/bridge/README.md")
        lines += [f"  {'Off' if index == 0 else '':<9} {line}" for index, line in enumerate(off)]
        return "\n".join([*lines, ""])


async def _first_to_end(
    parts: list[Process], servers_failed: Callable[[], Coroutine[None, None, str]]
) -> str:
    """Wait until something ends that should not; a sentence on what and why."""

    async def ended(part: Process) -> str:
        code = await part.wait()
        return f"the {part.name} has ended (exit code {code}){part.last_words()}"

    waits = [asyncio.create_task(ended(part)) for part in parts]
    waits.append(asyncio.create_task(servers_failed()))
    try:
        done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        return done.pop().result()
    finally:
        for wait in waits:
            wait.cancel()


def free_port() -> int:
    """A port on loopback that nobody uses now."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def command_name() -> str:
    """What to type in a second terminal: the command in the virtual environment, where that is not active."""
    import shutil

    beside = Path(sys.executable).parent / "cordboard"
    if shutil.which("cordboard") or not beside.exists():
        return "cordboard"
    with contextlib.suppress(ValueError):
        return str(beside.relative_to(Path.cwd()))
    return str(beside)
