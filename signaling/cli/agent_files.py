"""Agent files as the verbs read them: every problem becomes a Failure that names it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from signaling.cli.environment import read_settings
from signaling.cli.failure import ExitCode, Failure

if TYPE_CHECKING:
    from realtime.agent import Agent


def load(path: str | None) -> Mapping[str, Agent]:
    """The agents of `path`, else of the settings. Raises Failure with every problem in the files."""
    from realtime.agent import InvalidAgent
    from realtime.files.agents import load_agents

    where = path or read_settings().agents.path
    try:
        return load_agents(where)
    except InvalidAgent as invalid:
        raise Failure(str(invalid)) from None
    except OSError as error:
        raise Failure(
            f"{where}: {error.strerror or error}",
            remedy="name the folder with --path, or set agents.path",
            code=ExitCode.SETTINGS,
        ) from None


def is_file(name: str) -> bool:
    """Whether an argument names an agent's file and not its id (ids have no dot)."""
    return name.endswith(".toml")


def load_file(file: str) -> Agent:
    """The one agent of a file. Raises Failure."""
    if not Path(file).is_file():
        raise Failure(f"{file}: there is no such file", code=ExitCode.USAGE)
    return next(iter(load(file).values()))
