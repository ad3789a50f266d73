"""Verbs joined into one command, and failures turned into one line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from signaling.cli import (
    agents,
    bridge,
    call,
    check,
    db,
    demo,
    events,
    people,
    serve,
    simulate,
    token,
    tools,
    worker,
)
from signaling.cli.failure import ExitCode, Failure

TRACEBACK = "CORDBOARD_TRACEBACK"

app = typer.Typer(
    name="cordboard",
    help="An open switchboard for AI phone agents.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # importing rich for it would double the time that --help takes
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("serve")(serve.serve)
app.command("worker")(worker.worker)
app.command("simulate")(simulate.simulate)
app.command("call")(call.call)
app.command("check")(check.check)
app.add_typer(agents.app, name="agents")
app.add_typer(tools.app, name="tools")
app.add_typer(events.app, name="events")
app.add_typer(db.app, name="db")
app.add_typer(token.app, name="token")
app.add_typer(people.app, name="people")
app.add_typer(bridge.app, name="bridge")


def run(arguments: Sequence[str]) -> int:
    """Run one command line; returns its exit code and prints at most one line about a failure.

    With CORDBOARD_TRACEBACK=1 in the environment, our own mistakes show where they happened.
    """
    try:
        app(list(arguments), prog_name="cordboard")
    except SystemExit as done:  # how typer says it has finished
        return done.code if isinstance(done.code, int) else ExitCode.NO
    except Failure as failure:
        print(failure, file=sys.stderr)  # noqa: T201 - the terminal is this module's business
        return failure.code
    except ExceptionGroup as group:
        return _first_failure(group)
    except KeyboardInterrupt:
        return ExitCode.INTERRUPTED
    except BrokenPipeError:
        # `cordboard … | head`: whoever read us has left. Python would complain again while exiting.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return ExitCode.OK
    except Exception as mistake:
        return _broken(mistake)
    return ExitCode.OK


def _first_failure(group: ExceptionGroup[Exception]) -> int:
    """Tasks of one group fail together; the first Failure among them is the cause that can be mended."""
    failures = group.subgroup(Failure)
    found: BaseException | None = failures
    while isinstance(found, BaseExceptionGroup):
        found = found.exceptions[0]
    if not isinstance(found, Failure):
        return _broken(group)
    print(found, file=sys.stderr)  # noqa: T201 - the terminal is this module's business
    return found.code


def _broken(mistake: Exception) -> int:
    if os.environ.get(TRACEBACK):
        raise mistake
    what = f"{type(mistake).__name__}: {mistake}"
    print(  # noqa: T201 - the same
        f"cordboard: this should not have happened: {what} — set {TRACEBACK}=1 to see where", file=sys.stderr
    )
    return ExitCode.BROKEN
