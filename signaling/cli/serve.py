"""`cordboard serve`: the media server."""

from __future__ import annotations

from typing import Annotated

import typer

from signaling.cli.environment import default_outbox, read_settings
from signaling.cli.failure import ExitCode, Failure
from signaling.cli.parent import die_with_parent


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="HTTP port.")] = None,
    ready_fd: Annotated[int | None, typer.Option(hidden=True, help="Written to once it is working.")] = None,
) -> None:
    """Answer calls: HTTP, WebRTC and the Realtime session. SIGTERM drains, then exits 0."""
    die_with_parent()
    settings = read_settings({"server": {"host": host, "port": port}})
    if settings.auth.secret is None and not settings.demo:
        raise Failure(
            "auth.secret is not set, so nobody could sign in",
            remedy='export CORDBOARD_AUTH__SECRET="$(openssl rand -hex 32)"',
            code=ExitCode.SETTINGS,
        )
    from signaling.cli.logs import start_logging
    from signaling.cli.ready import announcer
    from signaling.server.run import CannotStart
    from signaling.server.run import serve as run_server
    from signaling.web.listener import PortBusy

    start_logging(settings.log_level)
    if settings.outbox.path is None:
        outbox = settings.outbox.model_copy(update={"path": default_outbox()})
        settings = settings.model_copy(update={"outbox": outbox})
    try:
        code = run_server(settings, ready=announcer(ready_fd))
    except PortBusy as busy:
        raise Failure(str(busy), code=ExitCode.PORT_BUSY) from None
    except CannotStart as cannot:
        raise Failure(str(cannot), code=ExitCode.SETTINGS) from None
    raise typer.Exit(code)
