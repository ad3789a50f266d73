"""The media server as a process: put together, started, drained, stopped."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

from media.rtc.peer import IceServer, OpusSettings, PeerConfig
from realtime.agent import Agent, InvalidAgent
from realtime.client.endpoint import Endpoint
from realtime.continuity import SessionSpan
from realtime.files.agents import load_agents
from realtime.tools.registry import ToolRegistry, discover
from signaling.admission import Admission
from signaling.roster.roster import Roster
from signaling.server.agent_office import AgentOffice
from signaling.server.agent_retention import AgentRetention
from signaling.server.agent_shelf import AgentShelf
from signaling.server.books import AnsweringAgents, RegisteredTools
from signaling.server.call_session import CallServices
from signaling.server.desk import Desk
from signaling.server.desk_news import pass_on
from signaling.server.forgetting import Forgetting
from signaling.server.model_probe import ModelProbe
from signaling.server.neighbours import Neighbours
from signaling.server.practice import Diary, KnownCustomers, Record
from signaling.server.published_agents import PublishedAgents
from signaling.server.recordings import Recordings
from signaling.server.recovery import finish_stories
from signaling.server.switchboard import Switchboard, tools_missing
from signaling.server.trunk import BadSipSettings, Trunk, agent_config
from signaling.settings import OutboxSettings, Settings
from signaling.sip.agent import UserAgent
from signaling.web.app import make_app
from signaling.web.feed import Feed
from signaling.web.listener import Listener, PortBusy
from storage.bus.cancellation import cancel_for_sure
from storage.bus.outbox_file import OutboxError
from storage.bus.publisher import Publisher
from storage.bus.sqlite_outbox import SqliteOutbox
from storage.envelope import Envelope
from storage.objects.bucket import Bucket, BucketAddress
from storage.postgres.agents import AgentStore
from storage.postgres.appointments import AppointmentBook
from storage.postgres.audit import AuditLog
from storage.postgres.customers import CustomerBook
from storage.postgres.people import PeopleBook
from storage.postgres.pool import Database
from storage.postgres.recordings import RecordingBook
from storage.postgres.retention import RetentionBook
from storage.postgres.tombstones import TombstoneBook

log = logging.getLogger(__name__)

OPENAI_HOST = "api.openai.com"
# The record's last events after the last call has ended; Redis may be down, and the process must end.
FLUSH_S = 10.0
# A second SIGTERM: somebody is waiting.
HURRY_S = 10.0
DATABASE_CHECK_EVERY_S = 10.0


class CannotStart(Exception):
    """Why the server cannot start, and what to do: one sentence or one line a problem."""


def serve(settings: Settings, *, ready: Callable[[], None] | None = None) -> int:
    """Run until SIGTERM or SIGINT, then drain; 0. Raises CannotStart or PortBusy.

    `ready` is called when the doors are open.
    """
    asyncio.run(_serve(settings, ready))
    return 0


async def _serve(settings: Settings, ready: Callable[[], None] | None) -> None:
    files, tools = _load(settings)
    endpoint = _endpoint(settings)
    if settings.redis_url is None or settings.database_url is None:
        missing = "REDIS_URL" if settings.redis_url is None else "DATABASE_URL"
        raise CannotStart(
            f"{missing} is not set; set it, or run `cordboard demo`, which brings its own servers."
        )
    stopping = _Stopping()
    async with AsyncExitStack() as stack:
        publisher = await stack.enter_async_context(
            Publisher(settings.redis_url, outbox=_outbox(settings.outbox))
        )
        left_open = publisher.open_calls()
        finish_stories(left_open, publisher.emit, datetime.now(UTC))
        database = Database(settings.database_url)
        stack.push_async_callback(database.close)
        store = AgentStore(database, settings.tenant)
        shelf = AgentShelf(files, tools)
        published = PublishedAgents(store, shelf)
        await published.refresh()
        health = _Health(publisher, database, shelf)
        feed = Feed()

        def emit(envelope: Envelope) -> None:
            feed.publish(envelope)
            publisher.emit(envelope)

        audit = AuditLog(database, settings.tenant)
        roster = Roster(
            settings.redis_url,
            tenant=settings.tenant,
            node=settings.server.node,
            on_change=lambda: desk.changed(),
        )
        desk = Desk(
            roster,
            tenant=settings.tenant,
            call_of=lambda call_id: switchboard.people(call_id),
            annotate=lambda call_id, fact: switchboard.annotate(call_id, fact),
            announce=publisher.announce,
            audit=audit,
        )
        stack.push_async_callback(roster.stop)
        stack.push_async_callback(desk.stop)
        probe = ModelProbe(endpoint, settings.realtime.model)
        recordings = _recordings(settings, database)
        stack.push_async_callback(recordings.close)
        switchboard = Switchboard(
            agents=shelf,
            tools=tools,
            services=CallServices(
                node=settings.server.node,
                tenant=settings.tenant,
                endpoint=endpoint,
                default_model=settings.realtime.model,
                session_span=SessionSpan(
                    max_s=settings.realtime.session_max_s,
                    rotate_before_s=settings.realtime.rotate_before_s,
                ),
                peer_config=_peer_config(settings),
                emit=emit,
                customers=KnownCustomers(CustomerBook(database, settings.tenant)),
                appointments=Diary(AppointmentBook(database, settings.tenant)),
                audit=audit,
                recordings=recordings,
                desk=desk,
                resume_s=settings.media.resume_s,
            ),
            admission=Admission(settings.server.max_calls, lambda: publisher.problem),
            degraded=health.degraded,
            unready=lambda: [reason for reason in (probe.problem, publisher.problem) if reason is not None],
        )
        record = Record(database, settings.tenant)
        neighbours = Neighbours(
            settings.redis_url, settings.tenant, record=record, feed=feed, ours=switchboard.owns
        )
        forgetting = Forgetting(
            settings.redis_url,
            settings.tenant,
            settings.server.node,
            outbox=publisher,
            memories=[switchboard, neighbours],
            tombstones=TombstoneBook(database, settings.tenant),
        )
        retention = AgentRetention(shelf, RetentionBook(database, settings.tenant))
        app = make_app(
            switchboard,
            record,
            feed,
            settings,
            agents=AnsweringAgents(shelf),
            drafts=AgentOffice(store, shelf, published, tenant=settings.tenant, announce=publisher.announce),
            tools=RegisteredTools(tools),
            recordings=recordings,
            people=PeopleBook(database, settings.tenant),
            operators=desk,
            others=neighbours,
            unstored=publisher,
        )
        listener = Listener(app, host=settings.server.host, port=settings.server.port)
        try:
            await stack.enter_async_context(listener)
        except PortBusy:
            raise
        except OSError as error:
            raise CannotStart(f"Cannot listen on {settings.server.host}: {error.strerror}") from error
        log.info("doors.open host=%s port=%d", settings.server.host, listener.port)
        await _open_trunk(settings, switchboard, shelf, stack)
        roster.start()
        desk.start()
        async with asyncio.TaskGroup() as group:
            watches = [
                group.create_task(probe.watch(), name="model probe"),
                group.create_task(health.watch(), name="database check"),
                group.create_task(recordings.keep(), name="recordings"),
                group.create_task(published.watch(settings.redis_url, settings.tenant), name="agents"),
                group.create_task(neighbours.run(), name="other nodes"),
                group.create_task(forgetting.run(), name="erasures"),
                group.create_task(retention.watch(), name="retention"),
                group.create_task(pass_on(settings.redis_url, settings.tenant, feed), name="desk's news"),
                group.create_task(
                    roster.free(call.handoff_id for call in left_open if call.handoff_id is not None),
                    name="leases of an earlier life",
                ),
                group.create_task(switchboard.forget(publisher), name="ended calls"),
            ]
            # What was loaded stays for good: a full collection over it would hold up every call for 0.1 s.
            gc.collect()
            gc.freeze()
            if ready is not None:
                ready()
            await stopping.asked()
            await _drain(switchboard, settings.server.drain_limit_s, stopping)
            left = await publisher.drain(FLUSH_S)
            if left:
                log.error(
                    "publisher.left events=%d: Redis was not there to take them; the next start sends them",
                    left,
                )
            for watch in watches:
                await cancel_for_sure(watch)


async def _open_trunk(
    settings: Settings, switchboard: Switchboard, shelf: AgentShelf, stack: AsyncExitStack
) -> None:
    """The SIP doors, if any are set. They close after the last call, so that every goodbye is said."""
    if not settings.sip.listen:
        return

    def default_agent() -> str | None:
        inbound = (name for name in sorted(shelf) if shelf[name].direction != "outbound")
        return settings.agents.default or next(inbound, None)

    try:
        trunk = Trunk(switchboard, settings.sip, default_agent)
        agent = UserAgent(agent_config(settings.sip), trunk)
        doors = await agent.start()
    except (BadSipSettings, OSError) as error:
        raise CannotStart(f"Cannot open the SIP doors: {error}") from error
    stack.push_async_callback(agent.stop)
    for door in doors:
        log.info("sip.open transport=%s host=%s port=%d", door.transport, door.host, door.port)


def _load(settings: Settings) -> tuple[dict[str, Agent], ToolRegistry]:
    try:
        agents = load_agents(settings.agents.path)
    except (InvalidAgent, FileNotFoundError) as error:
        raise CannotStart(str(error)) from error
    tools = discover(settings.tools.modules)
    for problem in tools.problems:
        log.error("tools.not_loaded %s", problem)
    missing = tools_missing(agents, tools)
    if missing:
        raise CannotStart("\n".join([*missing, *tools.problems]))
    return agents, tools


def _outbox(settings: OutboxSettings) -> SqliteOutbox:
    if settings.path is None:
        raise CannotStart("outbox.path is not set; set CORDBOARD_OUTBOX__PATH to a file on a local disk.")
    try:
        return SqliteOutbox(
            Path(settings.path),
            fsync=settings.fsync,
            max_bytes=settings.max_bytes,
            max_age_s=settings.max_age_s,
        )
    except OutboxError as error:
        raise CannotStart(str(error)) from error


async def _drain(switchboard: Switchboard, limit_s: float, stopping: _Stopping) -> None:
    draining = asyncio.create_task(switchboard.drain(limit_s), name="drain")
    hurry = asyncio.create_task(stopping.asked_again(), name="second signal")
    await asyncio.wait([draining, hurry], return_when=asyncio.FIRST_COMPLETED)
    hurry.cancel()
    if not draining.done():
        log.warning("drain.hurried calls=%d", switchboard.running)
        draining.cancel()
        await asyncio.wait([asyncio.create_task(switchboard.stop())], timeout=HURRY_S)


class _Stopping:
    """SIGTERM and SIGINT, counted. A handler that raises would break the drain, so they only set flags."""

    def __init__(self) -> None:
        self._first, self._second = asyncio.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._received)

    def _received(self) -> None:
        (self._second if self._first.is_set() else self._first).set()

    async def asked(self) -> None:
        await self._first.wait()

    async def asked_again(self) -> None:
        await self._second.wait()


class _Health:
    """What is down while calls go on."""

    def __init__(self, publisher: Publisher, database: Database, shelf: AgentShelf) -> None:
        self._publisher = publisher
        self._database = database
        self._shelf = shelf
        self._database_reachable = True

    def degraded(self) -> Sequence[str]:
        down = [] if self._publisher.healthy else ["redis"]
        if not self._database_reachable:
            down.append("postgres")
        return [*down, "agents"] if self._shelf.problems else down

    async def watch(self) -> None:
        while True:
            reachable = await self._database.reachable()
            if self._database_reachable and not reachable:
                log.error(
                    "postgres.unreachable: calls are answered, tools and past calls are not available; "
                    "check that PostgreSQL runs at DATABASE_URL"
                )
            self._database_reachable = reachable
            await asyncio.sleep(DATABASE_CHECK_EVERY_S if reachable else 1.0)


def _endpoint(settings: Settings) -> Endpoint:
    key = settings.realtime.api_key
    if key is None and OPENAI_HOST in settings.realtime.url:
        raise CannotStart(
            "OPENAI_API_KEY is not set; set it, or point CORDBOARD_REALTIME__URL at another Realtime server "
            "(`cordboard simulate` is one)."
        )
    return Endpoint(
        url=settings.realtime.url,
        api_key=key.get_secret_value() if key is not None else "none",
        connect_timeout_s=settings.realtime.connect_timeout_s,
    )


def _recordings(settings: Settings, database: Database) -> Recordings:
    wanted = settings.recording
    bucket: Bucket | None = None
    if wanted.store is not None:
        try:
            bucket = Bucket(
                BucketAddress(
                    url=wanted.store,
                    endpoint=wanted.endpoint,
                    region=wanted.region,
                    access_key=wanted.access_key.get_secret_value() if wanted.access_key else None,
                    secret_key=wanted.secret_key.get_secret_value() if wanted.secret_key else None,
                )
            )
        except ModuleNotFoundError:
            raise CannotStart(
                "recording.store is set, and the package for it is not installed: pip install 'cordboard[s3]'."
            ) from None
    book = RecordingBook(database, tenant=settings.tenant, node=settings.server.node)
    audit = AuditLog(database, settings.tenant)
    return Recordings(Path(wanted.folder), book, bucket=bucket, audit=audit)


def _peer_config(settings: Settings) -> PeerConfig:
    media = settings.media
    return PeerConfig(
        addresses=settings.server.addresses or None,
        allow_loopback=media.allow_loopback,
        public_address=settings.server.public_ip,
        ice_servers=tuple(
            IceServer(
                url=url,
                username=server.username,
                credential=server.credential.get_secret_value() if server.credential is not None else None,
            )
            for server in media.ice_servers
            for url in server.urls
        ),
        opus=OpusSettings(bitrate=media.opus_bitrate, complexity=media.opus_complexity),
        lost_after_s=media.lost_after_s,
        gone_after_s=media.gone_after_s,
        ice_timeout_s=media.ice_timeout_s,
    )
