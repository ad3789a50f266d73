"""`cordboard events tail`: what happens on calls, as it happens."""

from __future__ import annotations

import asyncio
import fnmatch
from typing import TYPE_CHECKING, Annotated

import typer

from signaling.cli.environment import read_settings
from signaling.cli.failure import ExitCode, Failure

if TYPE_CHECKING:
    from storage.envelope import Envelope

app = typer.Typer(help="The events of calls.", no_args_is_help=True)


@app.callback()
def events() -> None:
    """Keeps `tail` a verb of its own while it is the only one."""


@app.command("tail")
def tail(
    call: Annotated[str | None, typer.Option("--call", metavar="ID", help="Only this call.")] = None,
    types: Annotated[
        list[str] | None, typer.Option("--type", help="Only these types; * stands for anything; repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Whole envelopes, one a line.")] = False,
) -> None:
    """Print events from Redis until Ctrl-C. Partial transcripts are shown only when asked for by --type."""
    settings = read_settings(client=True)
    if settings.redis_url is None:
        raise Failure(
            "REDIS_URL is not set",
            remedy="e.g. REDIS_URL=redis://localhost:6379/0, or run `cordboard demo` in this folder",
            code=ExitCode.SETTINGS,
        )
    from storage.bus.subscriber import Subscriber
    from storage.channels import calls_channel, calls_pattern
    from storage.codec import encode

    pattern = calls_pattern(settings.tenant) if call is None else calls_channel(settings.tenant, call)
    subscriber = Subscriber(settings.redis_url, [pattern])

    async def follow() -> None:
        async for envelope in subscriber:
            if wanted(envelope.type, types):
                typer.echo(encode(envelope).decode() if as_json else one_line(envelope))

    asyncio.run(follow())


def wanted(event_type: str, patterns: list[str] | None) -> bool:
    """Partials come many times a second and are all in the final: nobody means them by saying nothing."""
    if not patterns:
        return event_type != "transcript.partial"
    return any(fnmatch.fnmatchcase(event_type, pattern) for pattern in patterns)


def one_line(envelope: Envelope) -> str:
    """`09:30:01.120  …4f2a #17  turn.completed  turn=3 response_latency_ms=412`"""
    seq = "" if envelope.seq is None else f"#{envelope.seq}"
    facts = " ".join(
        f"{name}={value}" for name, value in envelope.data.items() if value not in (None, [], {})
    )
    return f"{envelope.at[11:23]}  …{envelope.call_id[-6:]} {seq:<5} {envelope.type:<22} {facts}"
