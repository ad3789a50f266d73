"""`cordboard db`: the tables in Postgres."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from signaling.cli.environment import read_settings
from signaling.cli.erase import erase
from signaling.cli.failure import ExitCode, Failure

if TYPE_CHECKING:
    from storage.postgres.partitions import Partition
    from storage.postgres.pool import Connection

app = typer.Typer(help="The tables in Postgres.", no_args_is_help=True)

app.command("erase")(erase)

T = TypeVar("T")


@app.callback()
def db() -> None:
    """The tables in Postgres: brought up to date, kept by months, given to roles, and calls taken out of them."""


@app.command("migrate")
def migrate() -> None:
    """Bring the tables up to date; safe to run from several machines at once."""
    from storage.postgres.migrate import MigrationError
    from storage.postgres.migrate import migrate as apply

    try:
        applied = _run(apply)
    except MigrationError as error:
        raise Failure(str(error)) from None
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo("nothing to do")


@app.command("partitions")
def partitions(
    ahead: Annotated[int, typer.Option(min=0, max=24, help="Months to make beyond this one.")] = 3,
    drop_before: Annotated[
        str | None, typer.Option(metavar="YYYY-MM", help="Drop every month before this one, for good.")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Drop without asking.")] = False,
    json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> None:
    """The months of the record: make those to come, drop old ones, show what there is.

    The worker makes them by itself, and retention drops them; this is for a look and for doing it by hand.
    """
    first_kept = _month(drop_before)
    if first_kept is not None and not yes:
        typer.confirm(f"Delete all calls of the months before {drop_before}, for good?", abort=True)

    async def look(
        connection: Connection,
    ) -> tuple[list[str], list[str], dict[str, int], list[Partition]]:
        from storage.postgres.partitions import drop_before as drop
        from storage.postgres.partitions import list_partitions, make_ahead, stray_rows

        dropped = [] if first_kept is None else await drop(connection, first_kept)
        made = await make_ahead(connection, datetime.now(UTC).date(), ahead)
        return made, dropped, await stray_rows(connection), await list_partitions(connection)

    made, dropped, strays, there = _with_connection(look)
    if json_:
        months = [
            {"table": part.table_name, "month": part.month, "rows": part.about_rows, "bytes": part.size_bytes}
            for part in there
        ]
        typer.echo(json.dumps({"made": made, "dropped": dropped, "stray_rows": strays, "partitions": months}))
        return
    for name in dropped:
        typer.echo(f"dropped {name}")
    for name in made:
        typer.echo(f"made {name}")
    for part in there:
        size = f"{part.size_bytes / 1_000_000:.1f} MB"
        typer.echo(
            f"{part.table_name:<16} {part.month or 'default':<8} {part.about_rows:>12,} rows {size:>12}"
        )
    for table, count in strays.items():
        typer.echo(
            f"{table}: {count} rows belong to no month; retention by months does not reach them", err=True
        )


@app.command("roles")
def roles(
    sql: Annotated[bool, typer.Option("--sql", help="Only print what an administrator has to run.")] = False,
) -> None:
    """Make a role for each kind of program, each with what it needs and no more, and give them their rights.

    Then give each program a login of its own, e.g.
    CREATE ROLE worker LOGIN PASSWORD '…' IN ROLE cordboard_writer
    """
    from storage.postgres.roles import roles_sql

    if sql:
        typer.echo(roles_sql(), nl=False)
        return

    async def make(connection: Connection) -> tuple[list[str], bool]:
        from storage.postgres.roles import give_rights, make_roles

        return [str(role) for role in await make_roles(connection)], await give_rights(connection)

    import asyncpg

    try:
        made, given = _with_connection(make)
    except asyncpg.InsufficientPrivilegeError as error:
        typer.echo(roles_sql(), nl=False)
        raise Failure(
            f"this login may not ({error})",
            remedy="let an administrator run the statements above, then run this again with the tables' owner",
        ) from None
    for name in made:
        typer.echo(f"made {name}")
    if not given:
        raise Failure(
            "the roles are there, but this login cannot give them the tables",
            remedy="GRANT cordboard_migrator to it, then run this again",
        )
    typer.echo("rights given")


def _month(text: str | None) -> date | None:
    if text is None:
        return None
    try:
        return datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        raise Failure(f"{text!r} is no month", remedy="e.g. 2026-01", code=ExitCode.USAGE) from None


def _with_connection(work: Callable[[Connection], Awaitable[T]]) -> T:
    async def connected(database_url: str) -> T:
        from storage.postgres.pool import connect_pool

        pool = await connect_pool(database_url, max_size=1)
        try:
            async with pool.acquire() as connection:
                return await work(connection)
        finally:
            await pool.close()

    import asyncpg

    try:
        return _run(connected)
    except asyncpg.UndefinedFunctionError:
        raise Failure("the tables are from an older release", remedy="cordboard db migrate") from None
    except asyncpg.LockNotAvailableError:
        raise Failure(
            "a table is in use for long", remedy="end long-running queries, then run this again"
        ) from None
    except asyncpg.RaiseError as error:
        raise Failure(str(error)) from None


def _run(work: Callable[[str], Awaitable[T]]) -> T:
    """Do `work` with DATABASE_URL. Raises Failure where it is not set or nobody answers there."""
    database_url = read_settings(client=True).database_url
    if database_url is None:
        raise Failure(
            "DATABASE_URL is not set",
            remedy="e.g. DATABASE_URL=postgresql://user:password@localhost/cordboard",
            code=ExitCode.SETTINGS,
        )
    import asyncpg

    async def running() -> T:
        return await work(database_url)

    try:
        return asyncio.run(running())
    except (
        asyncpg.InsufficientPrivilegeError,
        asyncpg.UndefinedFunctionError,
        asyncpg.LockNotAvailableError,
        asyncpg.RaiseError,
    ):
        raise
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Failure(
            f"Postgres: {error or type(error).__name__}",
            remedy="check DATABASE_URL and that the server is up",
            code=ExitCode.UNREACHABLE,
        ) from None
