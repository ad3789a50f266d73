"""Where settings are read, once: `cordboard.toml` < `.env` < environment < flags.

Verbs that talk to a running server look into `.cordboard/env` first of all, which `cordboard demo` writes:
so a second terminal finds the demo. Nothing else in the house reads the environment.
"""

from __future__ import annotations

import os
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from signaling.cli.failure import ExitCode, Failure

if TYPE_CHECKING:
    from signaling.settings import Settings

TOML_FILE = "cordboard.toml"
DOTENV_FILE = ".env"
DEMO_ENV_FILE = ".cordboard/env"


def read_settings(
    flags: Mapping[str, Any] | None = None,
    *,
    client: bool = False,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Settings:
    """The settings of this process.

    Args:
        flags: what was given on the command line, nested like the settings; None values are left out.
        client: True for verbs that talk to a running server.
        environ: instead of the process's environment.
        folder: instead of the working directory.

    Raises:
        Failure: with every problem, a line each.
    """
    from signaling.cli.layers import SettingsError, from_environment, from_mapping, settings_from

    folder = folder or Path.cwd()
    environ = os.environ if environ is None else environ
    values = from_mapping({"server": {"node": socket.gethostname()}}, source="this machine's name")
    problems: list[str] = []
    if client:
        values += from_environment(_env_file(folder / DEMO_ENV_FILE), place=DEMO_ENV_FILE)[0]
    values += from_mapping(_toml(folder / TOML_FILE), source=TOML_FILE)
    for variables, place in ((_env_file(folder / DOTENV_FILE), DOTENV_FILE), (environ, None)):
        found, wrong = from_environment(variables, place=place)
        values += found
        problems += wrong
    values += from_mapping(_given(flags or {}), source="command line")
    try:
        return settings_from(values, problems)
    except SettingsError as error:
        raise Failure(str(error), code=ExitCode.SETTINGS) from None


def default_outbox(environ: Mapping[str, str] | None = None, folder: Path | None = None) -> str:
    """Where a server's outbox is when nobody says: the user's state folder (XDG), or `.cordboard` here.

    The second is for accounts without a home, as services often have.
    """
    environ = os.environ if environ is None else environ
    state = environ.get("XDG_STATE_HOME") or ""
    home = environ.get("HOME") or ""
    # XDG Base Directory Specification: a relative path in the variable is invalid and to be ignored.
    if not Path(state).is_absolute() and Path(home).is_absolute() and os.access(home, os.W_OK):
        state = str(Path(home) / ".local" / "state")
    base = Path(state) / "cordboard" if Path(state).is_absolute() else (folder or Path.cwd()) / ".cordboard"
    return str(base / "outbox.sqlite")


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Failure(f"{path.name} is not TOML: {error}", code=ExitCode.SETTINGS) from None
    except OSError as error:
        raise Failure(f"{path.name} cannot be read: {error.strerror}", code=ExitCode.SETTINGS) from None


def _env_file(path: Path) -> dict[str, str]:
    from dotenv import dotenv_values

    try:
        if not path.is_file():
            return {}
        return {name: value or "" for name, value in dotenv_values(path, interpolate=False).items()}
    except OSError as error:
        raise Failure(f"{path.name} cannot be read: {error.strerror}", code=ExitCode.SETTINGS) from None


def _given(flags: Mapping[str, Any]) -> dict[str, Any]:
    given: dict[str, Any] = {}
    for name, value in flags.items():
        if isinstance(value, Mapping):
            if below := _given(value):
                given[name] = below
        elif value is not None:
            given[name] = value
    return given
