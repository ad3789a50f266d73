"""`cordboard worker`: the process that turns events into rows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from signaling.cli.environment import read_settings
from signaling.cli.failure import ExitCode, Failure
from signaling.cli.parent import die_with_parent
from signaling.cli.until_signal import run_until_signal

if TYPE_CHECKING:
    from signaling.settings import Settings


def worker(
    ready_fd: Annotated[int | None, typer.Option(hidden=True, help="Written to once it is working.")] = None,
) -> None:
    """Write what happened on calls from Redis to Postgres. SIGTERM finishes the batch, then exits 0."""
    die_with_parent()
    redis_url, database_url = required_urls(read_settings())
    from signaling.cli.logs import start_logging
    from signaling.cli.ready import announcer
    from storage.worker.run import run_worker

    start_logging("info")

    async def work(stop: asyncio.Event) -> None:
        await run_worker(redis_url, database_url, stop=stop, ready=announcer(ready_fd))

    run_until_signal(work)


def required_urls(settings: Settings) -> tuple[str, str]:
    """REDIS_URL and DATABASE_URL. Raises Failure for those that are missing."""
    missing = [
        name
        for name, value in (("REDIS_URL", settings.redis_url), ("DATABASE_URL", settings.database_url))
        if value is None
    ]
    if missing or settings.redis_url is None or settings.database_url is None:
        raise Failure(
            f"{' and '.join(missing)} not set",
            remedy="e.g. REDIS_URL=redis://localhost:6379/0 DATABASE_URL=postgresql://user:password@localhost/db",
            code=ExitCode.SETTINGS,
        )
    return settings.redis_url, settings.database_url
