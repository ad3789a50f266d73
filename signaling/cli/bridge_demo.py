"""`cordboard bridge demo`: the demo with a telephone line on loopback: a SIP call to be seen without a trunk.

`cordboard demo` as it is, Kamailio and rtpengine in front of it, and baresip as somebody's telephone, which asks one
question. Everything has a loopback address and a free port of its own; nothing outside this machine is reached.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
import wave
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from signaling.cli.environment import DEMO_ENV_FILE, read_settings
from signaling.cli.failure import ExitCode, Failure

if TYPE_CHECKING:
    from signaling.settings import BridgeSettings, Settings

FOLDER: Final = Path(DEMO_ENV_FILE).parent / "bridge"
TRUNK_SIDE, MEDIA_SIDE, TELEPHONE, SERVER = "127.0.0.20", "127.0.0.21", "127.0.0.10", "127.0.0.30"
NUMBER: Final = "+15550100"
QUESTION: Final = "Can you tell me your opening hours, please?"
GREETING_S, ANSWER_S = 8, 15  # how long the telephone listens before and after; then it hangs up
READY_WITHIN_S: Final = 150.0  # a first start makes a database cluster and loads the speech models
STEADY: Final = 14  # looks, half a second apart
STOP_WITHIN_S: Final = 70.0  # the demo's own parts have 60
PROGRAMS: Final = {"kamailio": "kamailio", "rtpengine": "rtpengine-daemon", "baresip": "baresip-core"}
PATHS: Final = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
PHONE: Final = """\
sip_listen {address}:{port}
net_interface {address}
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module sndfile.so
module_app menu.so
module_app account.so
audio_source aufile,{folder}/says.wav
audio_player aufile,{folder}/played.wav
audio_alert aufile,/dev/null
snd_path {folder}
"""


def demo(port: Annotated[int | None, typer.Option(help="HTTP port (CORDBOARD_HTTP_PORT).")] = None) -> None:
    """Run `cordboard demo` with a telephone line on this machine, and call over it. Ctrl-C stops everything."""
    settings = read_settings({"server": {"port": port}})
    missing = [package for name, package in PROGRAMS.items() if shutil.which(name, path=PATHS) is None]
    if missing:
        raise Failure(
            f"not installed: {', '.join(missing)}",
            remedy=f"sudo apt-get install --no-install-recommends {' '.join(missing)}",
        )
    from signaling.cli.check import port_problem

    busy = port_problem(settings.server.host, settings.server.port)
    if busy is not None:
        raise Failure(busy, remedy="stop what is there, or set CORDBOARD_HTTP_PORT", code=ExitCode.PORT_BUSY)
    asyncio.run(_until_stopped(settings))


async def _until_stopped(settings: Settings) -> None:
    work = asyncio.create_task(_work(settings))
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, work.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await work


async def _work(settings: Settings) -> None:
    from signaling.cli.processes import Process

    FOLDER.mkdir(mode=0o700, parents=True, exist_ok=True)
    door = f"{SERVER}:{_free_port(SERVER)}"
    async with AsyncExitStack() as stack:
        bridge = await _start_bridge(stack, door)
        began = time.time()
        house = await _start(
            stack, sys.executable, "-m", "signaling", "demo", "--port", str(settings.server.port),
            variables={"CORDBOARD_SIP__LISTEN": f"tcp:{door}", "CORDBOARD_SIP__SOURCES": MEDIA_SIDE},
        )  # fmt: skip
        await _until_calls_are_taken(bridge, house, began)
        typer.echo(f"  SIP       {bridge.trunk_address}:{bridge.trunk_port}, from {TELEPHONE} only\n")
        events = Process("events", ["events", "tail"], {})
        stack.push_async_callback(events.stop, within_s=5)
        await events.start()
        ended = asyncio.create_task(house.wait())
        stack.callback(ended.cancel)
        while not ended.done():
            typer.echo(f"A telephone calls {NUMBER} and asks: {QUESTION}")
            heard = await _call(bridge)
            typer.echo(f"What it heard: {heard}\nEnter: it calls again. Ctrl-C: everything stops.")
            asked = asyncio.create_task(_enter())
            await asyncio.wait([asked, ended], return_when=asyncio.FIRST_COMPLETED)
            asked.cancel()
        raise Failure("the demo has ended", remedy="its own message stands above")


async def _start_bridge(stack: AsyncExitStack, door: str) -> BridgeSettings:
    from signaling.cli.bridge import files_of, write
    from signaling.settings import BridgeSettings

    folder = FOLDER.resolve()
    control = _free_port("127.0.0.1")
    bridge = BridgeSettings(
        trunk_address=TRUNK_SIDE,
        trunk_port=_free_port(TRUNK_SIDE),
        trunk_sources=(TELEPHONE,),
        media_address=MEDIA_SIDE,
        media_port=_free_port(MEDIA_SIDE),
        servers=(door,),
        rtpengine=f"127.0.0.1:{control}",
        control_socket=f"/tmp/cordboard-{os.getpid()}.ctl",  # noqa: S108 - a folder's path may be too long for a socket
    )
    write(files_of(bridge, str(folder)), folder)
    await _start(
        stack, "rtpengine", "--config-file", str(folder / "rtpengine.conf"), "--config-section", "rtpengine",
        "--foreground", "--log-stderr", "--pidfile", str(folder / "rtpengine.pid"),
        log=FOLDER / "rtpengine.log",
    )  # fmt: skip
    await _start(
        stack, "kamailio", "-DD", "-E", "-f", str(folder / "kamailio.cfg"), "-P", str(folder / "kamailio.pid"),
        "-Y", str(folder), "-m", "64", "-M", "8",
        log=FOLDER / "kamailio.log",
    )  # fmt: skip
    stack.callback(Path(bridge.control_socket).unlink, missing_ok=True)
    return bridge


async def _start(
    stack: AsyncExitStack,
    program: str,
    *arguments: str,
    log: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> asyncio.subprocess.Process:
    """A program in a process group of its own; its output goes to `log`, None leaves it on the terminal.

    It ends with us, by SIGTERM: Kamailio's children do not notice when it is killed.
    """
    with contextlib.ExitStack() as files:
        output = None if log is None else files.enter_context(log.open("wb"))
        process = await asyncio.create_subprocess_exec(
            "setpriv", "--pdeathsig", "TERM", program, *arguments,
            env={**os.environ, "PATH": PATHS, **(variables or {})},
            stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
        )  # fmt: skip

    async def stop() -> None:
        if process.returncode is None:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_WITHIN_S):
                    await process.wait()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # children that outlive it
        await process.wait()

    stack.push_async_callback(stop)
    return process


async def _until_calls_are_taken(
    bridge: BridgeSettings, house: asyncio.subprocess.Process, began: float
) -> None:
    """The bridge has asked the server, which has said yes, and the demo has told other terminals where it is."""
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            good = 0
            # A question from before the server was there still counts against it when it has gone without an answer
            # for 5 s: the server has to be good for longer.
            while good < STEADY:
                taken = _told_since(began) and "FLAGS: AP" in await _dispatcher(bridge)
                good = good + 1 if taken else 0
                if house.returncode is not None:
                    raise Failure("the demo ended while starting", remedy="its own message stands above")
                await asyncio.sleep(0.5)
    except TimeoutError:
        raise Failure(
            "the bridge does not reach the server", remedy=f"see {FOLDER / 'kamailio.log'}"
        ) from None


def _told_since(began: float) -> bool:
    """`.cordboard/env` is there, and of this start."""
    told = Path(DEMO_ENV_FILE)
    return told.exists() and told.stat().st_mtime >= began


async def _dispatcher(bridge: BridgeSettings) -> str:
    kamcmd = await asyncio.create_subprocess_exec(
        "kamcmd", "-s", f"unix:{bridge.control_socket}", "dispatcher.list",
        env={**os.environ, "PATH": PATHS},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    said, _ = await kamcmd.communicate()
    return said.decode(errors="replace")


async def _call(bridge: BridgeSettings) -> Path:
    """One call, from dialling to hanging up. Returns the file with what was heard."""
    folder = FOLDER.resolve() / "phone"
    folder.mkdir(exist_ok=True)
    for old in folder.glob("dump-*.wav"):
        old.unlink()
    if not (folder / "says.wav").exists():
        await asyncio.to_thread(_write_question, folder / "says.wav")
    (folder / "config").write_text(PHONE.format(address=TELEPHONE, port=_free_port(TELEPHONE), folder=folder))
    (folder / "accounts").write_text(f"<sip:caller@{TELEPHONE}>;regint=0;audio_codecs=pcma\n")
    (folder / "contacts").touch()
    async with AsyncExitStack() as stack:
        target = f"sip:{NUMBER}@{bridge.trunk_address}:{bridge.trunk_port}"
        quit_after_s = GREETING_S + ANSWER_S + 8  # baresip hangs up where its file ends, but does not leave
        command = ("baresip", "-f", str(folder), "-e", f"d{target}", "-t", str(quit_after_s))
        await _start(stack, *command, log=FOLDER / "baresip.log")
        await asyncio.sleep(quit_after_s)
    return next(iter(folder.glob("dump-*-dec.wav")), folder / "nothing: see baresip.log")


def _write_question(path: Path) -> None:
    """Silence for the greeting, the question, silence for the answer; 8 kHz."""
    from realtime.simulator.speech import synthesize

    pcm = synthesize(QUESTION)
    every_third = b"".join(pcm[at : at + 2] for at in range(0, len(pcm) - 1, 6))  # 24 kHz to 8
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8_000)
        file.writeframes(bytes(GREETING_S * 16_000) + every_third + bytes(ANSWER_S * 16_000))


async def _enter() -> None:
    """Until a line is typed; for ever where nobody can type."""
    if not sys.stdin.isatty():
        await asyncio.Event().wait()
    typed = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(sys.stdin.fileno(), typed.set)
    try:
        await typed.wait()
        sys.stdin.readline()
    finally:
        loop.remove_reader(sys.stdin.fileno())


def _free_port(address: str) -> int:
    import socket

    with socket.socket() as probe:
        probe.bind((address, 0))
        return int(probe.getsockname()[1])
