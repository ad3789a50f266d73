"""`cordboard db erase`: a person's calls, out of every store."""

from __future__ import annotations

import asyncio
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any

import typer

from signaling.cli.environment import read_settings
from signaling.cli.failure import ExitCode, Failure

if TYPE_CHECKING:
    from signaling.cli.erasure import Findings, Report
    from signaling.settings import Settings


def erase(
    number: Annotated[
        str | None, typer.Option(metavar="+…", help="Every call with this number, or in which it was said.")
    ] = None,
    call: Annotated[list[str] | None, typer.Option(help="A call's id; repeatable.")] = None,
    customer: Annotated[
        bool, typer.Option("--customer", help="The customer and their appointments, too.")
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", help="Erase. Without it: show what there is, and ask.")
    ] = False,
    json_: Annotated[bool, typer.Option("--json", help="As JSON; never asks.")] = False,
) -> None:
    """Erase calls for good: rows, search, recordings, Redis, and what media servers have in memory and on disk.

    What stays: figures of the whole, without anything about the person; the audit log's entry that this was done;
    backups and Postgres' write-ahead log, until they age out.
    """
    from storage.call_ids import is_call_id
    from storage.erasure import NotANumber, e164

    if number is None and not call:
        raise Failure("nothing was named", remedy="--number +81312345678, or --call ID", code=ExitCode.USAGE)
    for call_id in call or []:
        if not is_call_id(call_id):
            raise Failure(f"{call_id!r} is not a call id", remedy="call ids are UUIDs", code=ExitCode.USAGE)
    try:
        wanted = None if number is None else e164(number)
    except NotANumber as error:
        raise Failure(str(error), code=ExitCode.USAGE) from None
    settings = read_settings(client=True)
    for name, value in (("DATABASE_URL", settings.database_url), ("REDIS_URL", settings.redis_url)):
        if value is None:
            raise Failure(
                f"{name} is not set", remedy="calls are in both, Redis and Postgres", code=ExitCode.SETTINGS
            )
    code = asyncio.run(_erase(settings, wanted, call or [], customer, yes, json_))
    raise typer.Exit(code)


async def _erase(
    settings: Settings, number: str | None, call_ids: list[str], customer: bool, yes: bool, json_: bool
) -> int:
    import asyncpg
    import redis.exceptions

    try:
        return await _with_stores(settings, number, call_ids, customer, yes, json_)
    except (redis.exceptions.RedisError, redis.exceptions.RedisClusterException) as error:
        raise Failure(
            f"Redis: {error}",
            remedy="check REDIS_URL and that it is up, then run this again",
            code=ExitCode.UNREACHABLE,
        ) from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise Failure(
            f"this login may not: {error}", remedy="GRANT cordboard_keeper TO it, or take the tables' owner"
        ) from None
    except (asyncpg.UndefinedTableError, asyncpg.UndefinedFunctionError):
        raise Failure("the tables are from an older release", remedy="cordboard db migrate") from None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Failure(
            f"Postgres or Redis: {error or type(error).__name__}",
            remedy="check DATABASE_URL and REDIS_URL, then run this again",
            code=ExitCode.UNREACHABLE,
        ) from None


async def _with_stores(
    settings: Settings, number: str | None, call_ids: list[str], customer: bool, yes: bool, json_: bool
) -> int:
    from signaling.cli.erasure import Eraser
    from storage.postgres.pool import connect_pool
    from storage.worker.stream_sweep import StreamSweep

    assert settings.database_url is not None
    assert settings.redis_url is not None
    secret = settings.auth.secret
    pool = await connect_pool(settings.database_url, max_size=1)
    try:
        sweep = await StreamSweep.open(settings.redis_url)
        try:
            async with pool.acquire() as connection:
                eraser = Eraser(
                    connection,
                    sweep,
                    settings.redis_url,
                    settings.tenant,
                    number=number,
                    call_ids=call_ids,
                    customer=customer,
                    key=None if secret is None else secret.get_secret_value().encode(),
                    tell=lambda line: typer.echo(line, err=True),
                )
                found = await eraser.look()
                if found.nothing or not _agreed(found, yes, json_):
                    return _shown(found, json_, asked=yes)
                report = await eraser.erase(found)
        finally:
            await sweep.close()
    finally:
        await pool.close()
    _told(found, report, json_)
    return ExitCode.NO if report.left else ExitCode.OK


def _agreed(found: Findings, yes: bool, json_: bool) -> bool:
    """Shows what would go; raises Failure where it may not."""
    if found.running and yes:
        raise Failure(
            f"not over: {', '.join(found.running)}; nothing was erased",
            remedy="end these calls (DELETE /v1/calls/ID), then run this again",
        )
    if yes or json_ or found.running:
        return yes
    _list(found.counts)
    if not sys.stdin.isatty():
        return False
    return typer.confirm(f"Erase {len(found.call_ids)} calls, for good?")


def _shown(found: Findings, json_: bool, *, asked: bool) -> int:
    if json_:
        typer.echo(json.dumps({**_found(found), "erased": False, "left": []}))
    elif found.nothing:
        typer.echo("nothing on record")
    else:
        for call_id in found.running:
            typer.echo(f"{call_id} is not over", err=True)
        typer.echo(f"{len(found.call_ids)} calls; nothing was erased. To erase them: --yes")
    return ExitCode.OK if json_ or asked or found.nothing else ExitCode.NO


def _told(found: Findings, report: Report, json_: bool) -> None:
    if json_:
        told = {**_found(found), "erased": True, "counts": dict(report.counts), "left": report.left}
        typer.echo(json.dumps(told))
        return
    _list(report.counts)
    typer.echo(f"erased {len(found.call_ids)} calls")
    for sentence in report.left:
        typer.echo(sentence, err=True)


def _found(found: Findings) -> dict[str, Any]:
    return {
        "calls": found.call_ids,
        "running": found.running,
        "counts": dict(found.counts),
        "servers": {
            "listening": found.servers.listening,
            "answered": [answer.node for answer in found.servers.answers],
        },
    }


def _list(counts: Counter[str]) -> None:
    for store, count in sorted(counts.items()):
        typer.echo(f"{store:<16} {count:>8}")
