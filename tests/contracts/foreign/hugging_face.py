"""Hugging Face's `speech-to-speech` as a real process, in a virtual environment of its own in the user's cache.

Installed when it is missing. From PyPI alone torch brings the GPU's libraries, 6.8 GB in all; with UV_FIND_LINKS
naming a folder that holds torch's CPU wheel it is 1.9 GB.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from websockets.sync.client import connect

from media.format import FRAME_BYTES, FRAME_MS
from realtime.simulator.speech import synthesize
from tests.fakes.servers import free_port

HERE = Path(__file__).parent
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
ENVIRONMENT = CACHE / "cordboard" / "speech-to-speech-1.1.0"
PYTHON = ENVIRONMENT / "bin" / "python"
COMPLETE = ENVIRONMENT / ".complete"
WITHOUT_DEPENDENCIES = ["speech-to-speech==1.1.0", "torchaudio==2.11.0"]
START_S = 90  # 20 s where the disk has it cached; it loads torch, transformers and three models


def install() -> None:
    """Minutes, the first time."""
    uv = Path(sys.executable).with_name("uv")
    base = [str(uv), "pip", "install", "--quiet", "--python", str(PYTHON)]
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    subprocess.run([str(uv), "venv", "--quiet", "--python", sys.executable, str(ENVIRONMENT)], check=True)
    subprocess.run([*base, "-r", str(HERE / "hugging_face.txt")], check=True)
    subprocess.run([*base, "--no-deps", *WITHOUT_DEPENDENCIES], check=True)
    COMPLETE.touch()


@contextmanager
def running_hugging_face(log: Path) -> Iterator[str]:
    """Its URL, as an Endpoint takes it."""
    if not COMPLETE.is_file():
        install()
    port = free_port()
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [str(PYTHON), str(HERE / "hugging_face_server.py"), str(port)],
            env={"PATH": os.environ["PATH"], "HOME": str(log.parent)}, stdout=output, stderr=output,
        ) as process,
    ):  # fmt: skip
        try:
            _until_it_answers(port, process, log)
            url = f"ws://127.0.0.1:{port}/v1"
            _warm_up(url)
            yield url
        finally:
            process.kill()


def _warm_up(url: str) -> None:
    """Its first turn takes 4 to 11 s, while models are compiled: as long as no caller should wait."""
    audio = {"input": {"turn_detection": {"type": "server_vad"}}}
    with connect(f"{url}/realtime?model=rules", open_timeout=10) as session:
        session.send(json.dumps({"type": "session.update", "session": {"type": "realtime", "audio": audio}}))
        frames = synthesize("When are you open?") + bytes(48_000)
        for start in range(0, len(frames), FRAME_BYTES):
            pcm = base64.b64encode(frames[start : start + FRAME_BYTES]).decode()
            session.send(json.dumps({"type": "input_audio_buffer.append", "audio": pcm}))
            time.sleep(FRAME_MS / 1000)  # it listens at the pace of speech
        while json.loads(session.recv(timeout=START_S))["type"] != "response.done":
            pass


def _until_it_answers(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_S
    while True:
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5).close()
        except urllib.error.HTTPError:
            return  # it has no page there, but it is there
        except OSError:
            pass
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"speech-to-speech did not start:\n{log.read_text()[-4000:]}")
        # A process that is starting cannot tell anybody; asking is all there is.
        time.sleep(0.2)
