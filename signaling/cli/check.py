"""`cordboard check`: everything a call needs, looked at one by one, each with the line that mends it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from signaling.cli.environment import default_outbox, read_settings
from signaling.cli.failure import ExitCode

if TYPE_CHECKING:
    from signaling.settings import Settings

PATIENCE_S = 5.0
"""For each check; a database that needs longer to say hello is not one to answer calls with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One check."""

    name: str
    state: Literal["ok", "warning", "bad"]
    detail: str
    fix: str | None = None


def check(as_json: Annotated[bool, typer.Option("--json", help="For programs.")] = False) -> None:
    """Check key, model, Redis, Postgres, port, pages and agents; exit code 1 if something is bad."""
    settings = read_settings(client=True)
    findings = asyncio.run(look(settings))
    if as_json:
        typer.echo(json.dumps([asdict(finding) for finding in findings], ensure_ascii=False))
    else:
        for finding in findings:
            mark = {"ok": "ok  ", "warning": "warn", "bad": "BAD "}[finding.state]
            typer.echo(f"{mark}  {finding.name:<10} {finding.detail}")
            if finding.fix is not None:
                typer.echo(f"{'':17}fix: {finding.fix}")
    if any(finding.state == "bad" for finding in findings):
        raise typer.Exit(ExitCode.NO)


async def look(settings: Settings) -> list[Finding]:
    """All checks at once; none of them can hang or break the others."""
    checks: list[tuple[str, Callable[[Settings], Awaitable[Finding]]]] = [
        ("server", _server),
        ("model", _model),
        ("redis", _redis),
        ("postgres", _postgres),
        ("outbox", _outbox),
        ("agents", _agents),
        ("pages", _pages),
        ("sign-in", _sign_in),
    ]

    async def one(name: str, run: Callable[[Settings], Awaitable[Finding]]) -> Finding:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await run(settings)
        except TimeoutError:
            return Finding(name=name, state="bad", detail=f"no answer within {PATIENCE_S:g} s")
        except Exception as error:
            return Finding(name=name, state="bad", detail=f"{type(error).__name__}: {error}")

    return list(await asyncio.gather(*(one(name, run) for name, run in checks)))


async def _server(settings: Settings) -> Finding:
    """Either ours answers, or the port is free for it."""
    from signaling.cli.api import Api
    from signaling.cli.failure import Failure

    try:
        async with Api.open(settings.client) as api:
            status, body = await api.get("/readyz")
    except Failure:
        return _port(settings)
    if status == 200:
        degraded = ", ".join((body or {}).get("degraded", []))
        detail = f"running at {settings.client.url}" + (f", degraded: {degraded}" if degraded else "")
        return Finding(name="server", state="warning" if degraded else "ok", detail=detail)
    reasons = "; ".join((body or {}).get("reasons", [])) or f"it answers {status}"
    return Finding(
        name="server", state="bad", detail=f"running at {settings.client.url}, not ready: {reasons}"
    )


def _port(settings: Settings) -> Finding:
    busy = port_problem(settings.server.host, settings.server.port)
    if busy is not None:
        return Finding(name="server", state="bad", detail=busy, fix="stop it, or set CORDBOARD_HTTP_PORT")
    detail = f"not running; port {settings.server.port} is free"
    return Finding(name="server", state="ok", detail=detail)


def port_problem(host: str, port: int) -> str | None:
    """Why nothing can listen there now; None if something can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return f"port {port} on {host} cannot be used: {error.strerror}"
    return None


async def _model(settings: Settings) -> Finding:
    from realtime.client.account import look_at_account
    from realtime.client.endpoint import Endpoint

    realtime = settings.realtime
    if realtime.api_key is None and "api.openai.com" in realtime.url:
        return Finding(
            name="model",
            state="bad",
            detail="OPENAI_API_KEY is not set",
            fix="set it, or use the simulator: cordboard demo",
        )
    key = realtime.api_key.get_secret_value() if realtime.api_key is not None else "none"
    seen = await look_at_account(Endpoint(url=realtime.url, api_key=key), realtime.model)
    detail = f"{realtime.model} at {realtime.url}"
    match seen.code:
        case "good":
            return Finding(name="model", state="ok", detail=detail)
        case "unknown":
            return Finding(name="model", state="ok", detail=f"{detail} ({seen.detail})")
        case "unauthorized":
            return Finding(name="model", state="bad", detail=seen.detail, fix="check OPENAI_API_KEY")
        case "unknown_model":
            return Finding(name="model", state="bad", detail=seen.detail, fix="set CORDBOARD_REALTIME__MODEL")
        case "unreachable":
            fix = "check CORDBOARD_REALTIME__URL and the network"
            return Finding(name="model", state="bad", detail=f"{realtime.url} {seen.detail}", fix=fix)


async def _redis(settings: Settings) -> Finding:
    if settings.redis_url is None:
        return Finding(
            name="redis", state="bad", detail="REDIS_URL is not set", fix="REDIS_URL=redis://HOST:6379/0"
        )
    from redis.asyncio import Redis
    from redis.exceptions import RedisError

    client = Redis.from_url(settings.redis_url, decode_responses=True)
    try:
        info = await client.info("persistence")
        policy = (await client.config_get("maxmemory-policy")).get("maxmemory-policy", "noeviction")
    except (RedisError, OSError) as error:
        return Finding(name="redis", state="bad", detail=str(error), fix="check REDIS_URL and that it is up")
    finally:
        await client.aclose()
    if not info.get("aof_enabled"):
        return Finding(
            name="redis",
            state="warning",
            detail="no append-only file: a crash of Redis may lose events",
            fix="appendonly yes, appendfsync everysec",
        )
    if policy != "noeviction":
        return Finding(
            name="redis",
            state="warning",
            detail=f"maxmemory-policy {policy} may throw events away",
            fix="maxmemory-policy noeviction",
        )
    return Finding(name="redis", state="ok", detail="append-only file on, noeviction")


async def _postgres(settings: Settings) -> Finding:
    if settings.database_url is None:
        return Finding(
            name="postgres",
            state="bad",
            detail="DATABASE_URL is not set",
            fix="DATABASE_URL=postgresql://USER:PASSWORD@HOST/DATABASE",
        )
    import asyncpg

    from storage.postgres.migrate import read_migrations

    try:
        connection = await asyncpg.connect(settings.database_url)
    except (OSError, asyncpg.PostgresError) as error:
        return Finding(
            name="postgres", state="bad", detail=str(error), fix="check DATABASE_URL and that it is up"
        )
    try:
        if await connection.fetchval("SELECT to_regclass('schema_migrations')") is None:
            applied = 0
        else:
            applied = await connection.fetchval("SELECT count(*) FROM schema_migrations")
        major = str(await connection.fetchval("SHOW server_version")).split(" ")[0]
    finally:
        await connection.close()
    missing = len(read_migrations()) - applied
    if missing > 0:
        return Finding(
            name="postgres",
            state="bad",
            detail=f"{missing} migrations are missing",
            fix="cordboard db migrate",
        )
    return Finding(name="postgres", state="ok", detail=f"PostgreSQL {major}, tables up to date")


async def _outbox(settings: Settings) -> Finding:
    """Room for what waits, in a folder that may be written."""
    return await asyncio.to_thread(_look_at_outbox, settings)


def _look_at_outbox(settings: Settings) -> Finding:
    import os
    import shutil
    from pathlib import Path

    path = Path(settings.outbox.path or default_outbox())
    folder = next(each for each in path.absolute().parents if each.exists())
    fix = "set CORDBOARD_OUTBOX__PATH to a file on a local disk with room"
    if not os.access(folder, os.W_OK):
        return Finding(name="outbox", state="bad", detail=f"{folder} may not be written", fix=fix)
    free = shutil.disk_usage(folder).free
    waiting = sum(each.stat().st_size for each in (path, Path(f"{path}-wal")) if each.exists())
    detail = f"{path}, {waiting / 1e6:.1f} MB, {free / 1e9:.1f} GB free"
    if free + waiting < settings.outbox.max_bytes:
        return Finding(
            name="outbox",
            state="warning",
            detail=f"{detail}: less than outbox.max_bytes ({settings.outbox.max_bytes / 1e9:.1f} GB)",
            fix=fix + ", or lower CORDBOARD_OUTBOX__MAX_BYTES",
        )
    return Finding(name="outbox", state="ok", detail=detail)


async def _agents(settings: Settings) -> Finding:
    from signaling.cli.agent_files import load
    from signaling.cli.failure import Failure

    try:
        agents = load(settings.agents.path)
    except Failure as failure:
        return Finding(name="agents", state="bad", detail=failure.what, fix=failure.remedy)
    if not agents:
        fix = "set CORDBOARD_AGENTS__PATH to a folder of agent files"
        return Finding(name="agents", state="bad", detail=f"{settings.agents.path} has none", fix=fix)
    return Finding(name="agents", state="ok", detail=", ".join(sorted(agents)))


def pages_built() -> bool:
    """The browser pages are there to be served."""
    from signaling.web.pages import BUILT_PAGES

    return (BUILT_PAGES / "phone.html").is_file()


async def _pages(_: Settings) -> Finding:
    from signaling.web.pages import BUILD_COMMAND

    if pages_built():
        return Finding(name="pages", state="ok", detail="built")
    return Finding(
        name="pages", state="warning", detail="not built; calls work without them", fix=BUILD_COMMAND
    )


async def _sign_in(settings: Settings) -> Finding:
    if settings.auth.secret is not None:
        return Finding(name="sign-in", state="ok", detail="auth.secret is set")
    return Finding(
        name="sign-in",
        state="bad",
        detail="auth.secret is not set: nobody can sign in",
        fix='export CORDBOARD_AUTH__SECRET="$(openssl rand -hex 32)"',
    )
