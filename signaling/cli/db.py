"""`cordboard db`: the tables in Postgres."""

from __future__ import annotations

import asyncio

import typer

from signaling.cli.environment import read_settings
from signaling.cli.failure import ExitCode, Failure

app = typer.Typer(help="The tables in Postgres.", no_args_is_help=True)


@app.callback()
def db() -> None:
    """Keeps `migrate` a verb of its own while it is the only one."""


@app.command("migrate")
def migrate() -> None:
    """Bring the tables up to date; safe to run from several machines at once."""
    database_url = read_settings(client=True).database_url
    if database_url is None:
        raise Failure(
            "DATABASE_URL is not set",
            remedy="e.g. DATABASE_URL=postgresql://user:password@localhost/cordboard",
            code=ExitCode.SETTINGS,
        )
    import asyncpg

    from storage.postgres.migrate import MigrationError
    from storage.postgres.migrate import migrate as apply

    try:
        applied = asyncio.run(apply(database_url))
    except MigrationError as error:
        raise Failure(str(error)) from None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Failure(
            f"Postgres: {error or type(error).__name__}",
            remedy="check DATABASE_URL and that the server is up",
            code=ExitCode.UNREACHABLE,
        ) from None
    for name in applied:
        typer.echo(f"applied {name}")
    if not applied:
        typer.echo("nothing to do")
