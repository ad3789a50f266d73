"""`cordboard token`: keys for people and programs, signed with auth.secret."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

import typer

from signaling.cli.environment import read_settings
from signaling.cli.failure import ExitCode, Failure

app = typer.Typer(help="Tokens for the doors.", no_args_is_help=True)


class RoleName(StrEnum):
    """The roles of the contract."""

    CALLER = "caller"
    OPERATOR = "operator"
    ADMIN = "admin"
    SERVICE = "service"


@app.callback()
def token() -> None:
    """Keeps `create` a verb of its own while it is the only one."""


@app.command("create")
def create(
    role: Annotated[RoleName, typer.Option(help="What its holder may do.")],
    name: Annotated[str, typer.Option(help="Who holds it; shown in logs and the call list.")] = "",
    days: Annotated[float, typer.Option(help="How long it is good for.", min=0.001, max=3650)] = 30,
) -> None:
    """Print a Bearer token. There is no list of tokens: changing auth.secret ends all of them."""
    secret = read_settings(client=True).auth.secret
    if secret is None:
        raise Failure(
            "auth.secret is not set, and tokens are signed with it",
            remedy='export CORDBOARD_AUTH__SECRET="$(openssl rand -hex 32)", the same for the server',
            code=ExitCode.SETTINGS,
        )
    from signaling.web.tokens import Claims, TokenSigner

    now = int(time.time())
    claims = Claims(
        use="token",
        role=role.value,
        subject=name or role.value,
        issued_at=now,
        expires_at=now + int(days * 86400),
    )
    typer.echo(TokenSigner(secret.get_secret_value()).sign(claims))
