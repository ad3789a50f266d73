"""What page tests share: the pages, built; one Chromium for all that do not need a voice of their own."""

from __future__ import annotations

import importlib.util
import subprocess
import wave
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import pytest_asyncio
from playwright.async_api import Browser

from tests.browser.phone_driver import launched
from tests.fakes.phone_server import PhoneServer

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def build_hook() -> ModuleType:
    """deploy/hatch_build.py, which builds the pages at install and here alike."""
    spec = importlib.util.spec_from_file_location("cordboard_hatch_build", ROOT / "deploy/hatch_build.py")
    assert spec is not None
    assert spec.loader is not None
    hook = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(hook)
    return hook


@pytest.fixture(scope="session")
def built_pages(build_hook: ModuleType) -> Path:
    """The folder of built pages, up to date."""
    if not build_hook.up_to_date(ROOT):
        build_hook.build_pages(ROOT)
    return ROOT / "signaling/static"


@pytest.fixture(scope="session")
def run_npm(build_hook: ModuleType) -> Callable[..., str]:
    """Run npm among the page sources with their development dependencies there; returns what it said."""
    npm, environment = build_hook.npm_command()
    sources = ROOT / "signaling/pages"

    def run(*arguments: str) -> str:
        done = subprocess.run(
            [*npm, *arguments], cwd=sources, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    if not (sources / "node_modules/axe-core").is_dir() or not (sources / "node_modules/typescript").is_dir():
        run("ci", "--no-audit", "--no-fund")
    return run


@pytest.fixture(scope="session")
def axe_source(run_npm: Callable[..., str], built_pages: Path) -> str:
    """axe-core, from the pages' development dependencies."""
    return (built_pages.parent / "pages/node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture(scope="session")
def tone_wav(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A minute of 1 kHz at half scale: a caller who never pauses."""
    path = tmp_path_factory.mktemp("voices") / "tone.wav"
    samples = 16_000 * np.sin(2 * np.pi * 1000 * np.arange(60 * 48_000) / 48_000)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
        file.writeframes(samples.astype("<i2").tobytes())
    return path


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(tone_wav: Path) -> AsyncIterator[Browser]:
    """One Chromium whose microphone is a tone. Use `phone_in(chromium, url)`; contexts share nothing."""
    async with launched(microphone_wav=tone_wav) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def switchboard(built_pages: Path) -> AsyncIterator[PhoneServer]:
    """A fresh fake switchboard."""
    async with PhoneServer(built_pages) as server:
        yield server
