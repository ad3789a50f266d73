"""`cordboard call`: a test call from the terminal, through real WebRTC to the running server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from signaling.cli.environment import read_settings
from signaling.cli.failure import ExitCode, Failure


def call(
    files: Annotated[
        list[Path],
        typer.Option("--file", help="A recording to say; repeat it for a conversation, one file a turn."),
    ],
    agent: Annotated[str | None, typer.Option(help="Agent id; without it the default agent.")] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON object at the end instead of lines.")
    ] = False,
    record: Annotated[Path | None, typer.Option(help="Write what was heard to this WAV file.")] = None,
    answer_within: Annotated[float, typer.Option(help="Seconds to wait for each answer.", min=1)] = 30.0,
) -> None:
    """Call the running server, say each file after the agent has finished, print the transcript.

    Exit code 0 only if the agent answered every file.
    """
    import asyncio
    import json

    settings = read_settings(client=True)
    from signaling.cli.conversation import hold_conversation
    from signaling.cli.speech_files import read_speech

    if record is not None and not record.parent.is_dir():
        raise Failure(f"{record.parent} is not a folder", code=ExitCode.USAGE)
    speeches = [read_speech(path) for path in files]

    def say(line: str) -> None:
        if not as_json:
            typer.echo(line)

    report = asyncio.run(
        hold_conversation(
            settings.client, speeches, agent=agent, record=record, answer_within_s=answer_within, say=say
        )
    )
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False))
    if not report["answered"]:
        raise Failure(
            f"the agent answered {report['turns_answered']} of {report['turns_spoken']}",
            remedy=f"see what happened: GET /v1/calls/{report['call_id']}/events, and `cordboard check`",
        )
