"""`cordboard people`: who may sign in to the pages."""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import Awaitable, Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from signaling.cli.environment import read_settings
from signaling.cli.failure import ExitCode, Failure

if TYPE_CHECKING:
    from storage.postgres.people import PeopleBook

app = typer.Typer(help="Who may sign in to the pages: operators and admins.", no_args_is_help=True)

T = TypeVar("T")


class PersonRoleName(StrEnum):
    """What a person may do: `admin` may do all that `operator` may."""

    OPERATOR = "operator"
    ADMIN = "admin"


ID = Annotated[str, typer.Argument(help="What is typed to sign in: lower-case letters, digits, . _ -")]
FROM_STDIN = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input, one line.")
]


@app.command("add")
def add(
    id: ID,
    name: Annotated[str, typer.Option(help="What others see; default: the id.")] = "",
    role: Annotated[PersonRoleName, typer.Option(help="What they may do.")] = PersonRoleName.OPERATOR,
    queue: Annotated[
        list[str] | None, typer.Option(help="Whose handoffs ring there; repeatable; default: all.")
    ] = None,
    language: Annotated[str | None, typer.Option(help="Of the pages: en or ja.")] = None,
    password_stdin: FROM_STDIN = False,
) -> None:
    """Let somebody in. Without --password-stdin a password is made up and printed, once."""
    from signaling.web.passwords import hash_password
    from storage.people import ID_PATTERN, Person, PersonExists

    if not ID_PATTERN.fullmatch(id):
        raise Failure(f"{id!r} is no name to sign in with", remedy="lower-case letters, digits, . _ and -")
    password, made_up = _password(password_stdin)
    person = Person(id=id, name=name or id, role=role.value, queues=tuple(queue or ["*"]), language=language)
    try:
        _with_people(lambda people: people.add(person, hash_password(password)))
    except PersonExists as error:
        raise Failure(str(error), remedy=f"cordboard people password {id}") from None
    typer.echo(f"{id} may sign in as {role.value}")
    if made_up:
        typer.echo(f"password: {password}")


@app.command("list")
def everybody(json_: Annotated[bool, typer.Option("--json", help="As JSON.")] = False) -> None:
    """Who may sign in."""
    people = _with_people(lambda book: book.everybody())
    if json_:
        typer.echo(
            json.dumps(
                [
                    {"id": each.id, "name": each.name, "role": each.role, "queues": list(each.queues)}
                    for each in people
                ],
                ensure_ascii=False,
            )
        )
        return
    for each in people:
        typer.echo(f"{each.id:<20} {each.role:<9} {','.join(each.queues):<20} {each.name}")
    if not people:
        typer.echo("nobody yet: cordboard people add NAME")


@app.command("password")
def set_password(id: ID, password_stdin: FROM_STDIN = False) -> None:
    """Give somebody a new password; it is made up and printed, unless it is given."""
    from signaling.web.passwords import hash_password

    password, made_up = _password(password_stdin)
    _known(id, lambda people: people.set_password(id, hash_password(password)))
    typer.echo(f"password: {password}" if made_up else f"{id} has a new password")


@app.command("remove")
def remove(id: ID) -> None:
    """Let somebody in no more. A session that is open goes on until it expires."""
    _known(id, lambda people: people.remove(id))
    typer.echo(f"{id} may sign in no more")


def _password(from_stdin: bool) -> tuple[str, bool]:
    if not from_stdin:
        return secrets.token_urlsafe(12), True
    from signaling.web.passwords import LONGEST_PASSWORD, SHORTEST_PASSWORD

    password = typer.get_text_stream("stdin").readline().rstrip("\r\n")
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise Failure(
            "this password is too short or too long",
            remedy=f"{SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters",
        )
    return password, False


def _known(id: str, asked: Callable[[PeopleBook], Awaitable[None]]) -> None:
    from storage.people import PersonUnknown

    try:
        _with_people(asked)
    except PersonUnknown as error:
        raise Failure(str(error), remedy="cordboard people list") from None


def _with_people(asked: Callable[[PeopleBook], Awaitable[T]]) -> T:
    settings = read_settings(client=True)
    if settings.database_url is None:
        raise Failure(
            "DATABASE_URL is not set",
            remedy="e.g. DATABASE_URL=postgresql://user:password@localhost/cordboard",
            code=ExitCode.SETTINGS,
        )
    import asyncpg

    from storage.postgres.people import PeopleBook
    from storage.postgres.pool import Database

    database_url = settings.database_url

    async def ask() -> T:
        database = Database(database_url, max_size=1)
        try:
            return await asked(PeopleBook(database, settings.tenant))
        finally:
            await database.close()

    try:
        return asyncio.run(ask())
    except asyncpg.UndefinedTableError:
        raise Failure("the tables are not up to date", remedy="cordboard db migrate") from None
    except OSError as error:
        raise Failure(
            f"Postgres: {error}",
            remedy="check DATABASE_URL and that the server is up",
            code=ExitCode.UNREACHABLE,
        ) from None
