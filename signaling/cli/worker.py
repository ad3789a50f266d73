"""`cordboard worker`: the process that turns events into rows."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from signaling.cli.environment import read_settings
from signaling.cli.failure import ExitCode, Failure
from signaling.cli.parent import die_with_parent

if TYPE_CHECKING:
    from signaling.settings import Settings


def worker(
    ready_fd: Annotated[int | None, typer.Option(hidden=True, help="Written to once it is working.")] = None,
) -> None:
    """Write what happened on calls from Redis to Postgres. SIGTERM finishes the batch, then exits 0."""
    die_with_parent()
    settings = read_settings()
    redis_url, database_url = required_urls(settings)
    from signaling.cli.logs import start_logging
    from signaling.cli.ready import announcer
    from storage.worker.rollups import use_prices
    from storage.worker.run import worker_process

    start_logging(settings.log_level)
    use_prices(settings.metrics.price_table)
    raise typer.Exit(asyncio.run(worker_process(redis_url, database_url, ready=announcer(ready_fd))))


def required_urls(settings: Settings) -> tuple[str, str]:
    """REDIS_URL and DATABASE_URL. Raises Failure for those that are missing."""
    if settings.redis_url is not None and settings.database_url is not None:
        return settings.redis_url, settings.database_url
    urls = {"REDIS_URL": settings.redis_url, "DATABASE_URL": settings.database_url}
    missing = " and ".join(name for name, url in urls.items() if url is None)
    raise Failure(
        f"{missing} not set",
        remedy="e.g. REDIS_URL=redis://localhost:6379/0 DATABASE_URL=postgresql://user:password@localhost/db",
        code=ExitCode.SETTINGS,
    )
