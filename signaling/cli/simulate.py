"""`cordboard simulate`: a stand-in for the Realtime API that hears and speaks."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from signaling.cli.failure import ExitCode, Failure
from signaling.cli.parent import die_with_parent


def simulate(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port; clients connect to ws://HOST:PORT/v1.")] = 9000,
    ready_fd: Annotated[int | None, typer.Option(hidden=True, help="Written to once it is working.")] = None,
) -> None:
    """Play the voice model offline: really hears, really speaks, follows simple instructions."""
    die_with_parent()
    from realtime.simulator.server import serve
    from realtime.simulator.speech import SpeechUnavailable
    from signaling.cli.logs import start_logging
    from signaling.cli.ready import announcer

    start_logging("info")
    announce = announcer(ready_fd)

    def ready(line: str) -> None:
        typer.echo(line)
        announce()

    try:
        asyncio.run(serve(host, port, ready=ready))
    except SpeechUnavailable as missing:
        raise Failure(str(missing), code=ExitCode.SETTINGS) from None
    except OSError as error:
        raise Failure(
            f"cannot listen on {host}:{port}: {error.strerror or error}",
            remedy="choose another with --port",
            code=ExitCode.PORT_BUSY,
        ) from None
