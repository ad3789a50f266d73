"""The door: a WebSocket server that answers `GET /v1/realtime?model=…` as the Realtime API does.

async with Simulator(mind=Script(says=[Reply(text="Hello!")])) as simulator:
    ...  # connect to f"{simulator.url}/realtime?model=gpt-realtime-2.1" with `Authorization: Bearer x`
    session = await simulator.session()
    await session.client_event("session.update")
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Literal, Self, TypeAlias

import msgspec
from aiohttp import WSMsgType, web

from realtime.simulator.control import control_faults
from realtime.simulator.faults import CONNECT_FAULTS, Faults
from realtime.simulator.identifiers import new_id
from realtime.simulator.persona import Persona
from realtime.simulator.script import Pace, Script
from realtime.simulator.scripted import Scripted
from realtime.simulator.session import SimulatedSession

Mind: TypeAlias = Literal["spoken"] | Script

# The cap of the service: "maximum duration of 60 minutes".
MAX_SESSION_S = 60 * 60
# One append is 15 MiB at most; a little more, so that the refusal is ours and not the frame reader's.
MAX_FRAME_BYTES = 17 * 1024 * 1024
# The newest sessions that stay readable for tests after their end.
KEPT_SESSIONS = 1000
# How long a close waits for the client's close frame.
CLOSE_TIMEOUT_S = 1.0

_REFUSALS: dict[str, tuple[int, str, str, str]] = {
    "refuse_401": (401, "invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    "refuse_429": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        "You exceeded your current quota, please check your plan and billing details.",
    ),
    "refuse_500": (
        500,
        "server_error",
        "server_error",
        "The server had an error while processing your request.",
    ),
}


class Simulator:
    """A Realtime server for as long as the `async with` lasts.

    `mind`: "spoken" loads the speech models (once per process, before the first connection), a Script needs none.
    `minds`: others, for sessions that ask for the model of that name.
    `api_keys`: the accepted keys; None accepts any.  `max_session_s`: after that, session_expired and 1001.
    `pace`: how the spoken voice leaves (a Script has its own); None is the service's usual pace.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        mind: Mind = "spoken",
        api_keys: frozenset[str] | None = None,
        max_session_s: float = MAX_SESSION_S,
        pace: Pace | None = None,
        minds: Mapping[str, Mind] | None = None,
    ) -> None:
        self.faults = Faults()
        self.sessions: list[SimulatedSession] = []
        self._host = host
        self._port = port
        self._mind = mind
        self._minds = dict(minds or {})
        self._api_keys = api_keys
        self.max_session_s = max_session_s  # of the sessions that begin from now on
        self._pace = pace or Pace()
        self._runner: web.AppRunner | None = None
        self._new_session = asyncio.Event()
        self._new_persona: Callable[[], Persona] | None = None
        self._personas_of: dict[str, Callable[[], Persona]] = {}

    @property
    def url(self) -> str:
        """The base URL; a client appends `/realtime?model=…`."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"ws://{host}:{self._port}/v1"

    async def __aenter__(self) -> Self:
        """Load, bind, listen.  OSError: the port is taken.  SpeechUnavailable: see `speech`."""
        self._new_persona = await _personas(self._mind, self._pace)
        self._personas_of = {model: await _personas(mind, self._pace) for model, mind in self._minds.items()}
        app = web.Application()
        app.router.add_get("/v1/realtime", self._connect)
        app.router.add_get("/v1/models/{model}", self._model)
        app.router.add_route("*", "/_simulator/faults", self._control)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=CLOSE_TIMEOUT_S)
        await self._runner.setup()
        try:
            site = web.TCPSite(self._runner, self._host, self._port)
            await site.start()
        except BaseException:
            await self._runner.cleanup()
            raise
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._runner is not None
        live = [session for session in self.sessions if session.close_code is None]
        await asyncio.gather(*(session.stop() for session in live))
        await self._runner.cleanup()

    async def session(self, index: int = 0, *, timeout: float = 5.0) -> SimulatedSession:
        """The `index`-th session, as soon as it exists."""
        async with asyncio.timeout(timeout):
            while len(self.sessions) <= index:
                self._new_session.clear()
                await self._new_session.wait()
        return self.sessions[index]

    # -- requests ---------------------------------------------------------------------------------------

    async def _model(self, request: web.Request) -> web.Response:
        """`GET /models/{model}`: any name is a model here, as in the upgrade request."""
        refusal = self._key_refusal(request)
        if refusal is not None:
            return refusal
        model = {"id": request.match_info["model"], "object": "model", "created": 0, "owned_by": "simulator"}
        return web.json_response(model)

    async def _control(self, request: web.Request) -> web.Response:
        return await control_faults(request, self.faults)

    async def _connect(self, request: web.Request) -> web.StreamResponse:
        refusal = self._refusal(request)
        if refusal is not None:
            return refusal
        websocket: web.WebSocketResponse[bool] = web.WebSocketResponse(
            autoclose=False,
            compress=False,
            max_msg_size=MAX_FRAME_BYTES,
            timeout=CLOSE_TIMEOUT_S,
            decode_text=False,
        )
        await websocket.prepare(request)
        if request.headers.get("OpenAI-Beta") == "realtime=v1":
            await _refuse_beta(websocket)
            return websocket
        assert self._new_persona is not None
        announce = self.faults.take(frozenset({"no_session_created"})) is None
        model = request.query.get("model", "")
        session = SimulatedSession(
            kind="transcription" if _transcribes(request) else "realtime",
            model=model,
            persona=self._personas_of.get(model, self._new_persona)(),
            faults=self.faults,
            max_session_s=self.max_session_s,
            request=request,
            socket_=websocket,
        )
        self.sessions.append(session)
        del self.sessions[:-KEPT_SESSIONS]
        self._new_session.set()
        await session.run(announce=announce)
        return websocket

    def _key_refusal(self, request: web.Request) -> web.Response | None:
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            return _error(
                401, "invalid_request_error", "missing_api_key", "Missing bearer authentication in header."
            )
        if self._api_keys is not None and key.strip() not in self._api_keys:
            return _error(*_REFUSALS["refuse_401"])
        return None

    def _refusal(self, request: web.Request) -> web.Response | None:
        refusal = self._key_refusal(request)
        if refusal is not None:
            return refusal
        fault = self.faults.take(CONNECT_FAULTS - {"no_session_created"})
        if fault is not None:
            return _error(*_REFUSALS[fault.kind])
        if not request.query.get("model") and not _transcribes(request):
            return _error(
                400, "invalid_request_error", "missing_model", "You must provide a model parameter."
            )
        if request.headers.get("Upgrade", "").lower() != "websocket":
            return _error(400, "invalid_request_error", "invalid_request", "Expected a WebSocket upgrade.")
        return None


def _transcribes(request: web.Request) -> bool:
    """A session that only writes down: the model is named in its `session.update`."""
    return request.query.get("intent") == "transcription"


def _error(status: int, kind: str, code: str, message: str) -> web.Response:
    """An HTTP error with OpenAI's body."""
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return web.json_response(body, status=status)


async def _refuse_beta(websocket: web.WebSocketResponse[bool]) -> None:
    """The beta protocol is gone: the upgrade succeeds, one error, close 4000."""
    error = {
        "type": "invalid_request_error",
        "code": "beta_api_shape_disabled",
        "message": "The Realtime Beta API is no longer supported. Please use /v1/realtime for the GA API.",
        "param": None,
        "event_id": None,
    }
    event = {"type": "error", "event_id": new_id("event"), "error": error}
    await websocket.send_frame(msgspec.json.encode(event), WSMsgType.TEXT)
    await websocket.close(code=4000)


async def _personas(mind: Mind, pace: Pace) -> Callable[[], Persona]:
    if isinstance(mind, Script):
        return lambda: Scripted(mind)
    # Imported here: the speech packages are an extra, and loading them takes a second.
    from realtime.simulator.spoken import Spoken, load

    voice = await load()
    return lambda: Spoken(voice, pace)


async def serve(
    host: str = "127.0.0.1",
    port: int = 9000,
    *,
    mind: Mind = "spoken",
    api_keys: frozenset[str] | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Run until SIGTERM or until cancelled; one line on standard output (or `ready(line)`) when calls can come.

    OSError: the port is taken.  SpeechUnavailable: the extra `simulator` is not installed.
    """
    async with (
        Simulator(host=host, port=port, mind=mind, api_keys=api_keys) as simulator,
        _sigterm() as stopped,
    ):
        line = f"Realtime simulator listening on {simulator.url}"
        if ready is not None:
            ready(line)
        else:
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
        await stopped.wait()


@contextlib.asynccontextmanager
async def _sigterm() -> AsyncIterator[asyncio.Event]:
    """An event that SIGTERM sets; outside of the main thread nothing sets it."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    installed = False
    with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
        loop.add_signal_handler(signal.SIGTERM, stopped.set)
        installed = True
    try:
        yield stopped
    finally:
        if installed:
            loop.remove_signal_handler(signal.SIGTERM)
