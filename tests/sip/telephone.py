"""A telephone that is not ours: Debian's baresip, held by its control socket.

It says what a WAV file holds (once, then silence), and keeps what it hears in another.
"""

from __future__ import annotations

import asyncio
import json
import socket
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np

from tests.sip.bridge import TELEPHONES, Program

RATE = 8_000
CA = Path("/etc/ssl/certs/ca-certificates.crt")
NOTHING = np.zeros(0, np.int16)
LONGEST_S = 120  # of a call in a test
CONFIG = """\
sip_listen {address}:{port}
net_interface {address}
ctrl_tcp_listen {address}:{control}
module_path /usr/lib/baresip/modules
module g711.so
module aufile.so
module sndfile.so
module srtp.so
module_app ctrl_tcp.so
module_app menu.so
module_app account.so
audio_source aufile,{folder}/says.wav
audio_player aufile,{folder}/played.wav
audio_alert aufile,/dev/null
snd_path {folder}
sip_cafile {ca}
sip_trans_def {transport}
call_max_calls 4
call_local_timeout 60
rtp_timeout 0
"""


class Telephone:
    """Order of calls: `dial` → `until("CALL_ESTABLISHED")` → `press`, `hold` at will → `hang_up` → `heard`."""

    def __init__(self, folder: Path, *, account: str, transport: str, ca: Path) -> None:
        self.folder = folder
        self.events: list[dict[str, Any]] = []
        self._more = asyncio.Condition()
        self._transport = transport
        self._account = account
        self._ca = ca
        self._baresip = Program("baresip", "-f", str(folder), folder=folder)
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None

    async def start(self, says: np.ndarray[Any, np.dtype[np.int16]]) -> None:
        """`says`: 8 kHz samples, from when the call is up."""
        self.folder.mkdir(parents=True)
        # baresip hangs up where its file ends.
        write_wav(self.folder / "says.wav", np.concatenate([says, np.zeros(LONGEST_S * RATE, np.int16)]))
        port = _three_ports()
        settings = CONFIG.format(
            address=TELEPHONES, port=port, control=port + 2, folder=self.folder, transport=self._transport,
            ca=self._ca,
        )  # fmt: skip
        (self.folder / "config").write_text(settings)
        (self.folder / "accounts").write_text(f"<sip:caller@{TELEPHONES}>;regint=0;{self._account}\n")
        (self.folder / "contacts").write_text("")
        await self._baresip.start()
        async with asyncio.timeout(15):
            while True:
                assert self._baresip.running, self._baresip.log.read_text()
                try:
                    reader, self._writer = await asyncio.open_connection(TELEPHONES, port + 2)
                    break
                except OSError:
                    await asyncio.sleep(0.05)  # a program that is starting tells nobody
        self._reading = asyncio.create_task(self._read(reader))

    async def dial(self, uri: str) -> None:
        self._command("dial", uri)

    async def press(self, digits: str) -> None:
        for digit in digits:
            self._command("sndcode", digit)
            await asyncio.sleep(0.3)  # how long a finger takes: baresip has no queue for keys

    async def hang_up(self) -> None:
        self._command("hangup")

    async def until(self, kind: str, *, count: int = 1, within_s: float = 15.0) -> dict[str, Any]:
        """The `count`-th event of this type, e.g. CALL_ESTABLISHED or CALL_CLOSED."""

        def found() -> list[dict[str, Any]]:
            return [event for event in self.events if event.get("type") == kind]

        try:
            async with asyncio.timeout(within_s), self._more:
                await self._more.wait_for(lambda: len(found()) >= count)
        except TimeoutError:
            log = self._baresip.log.read_text()
            raise AssertionError(f"no {kind}; there came {self.events}\n{log}") from None
        return found()[count - 1]

    def heard(self) -> np.ndarray[Any, np.dtype[np.int16]]:
        """All that came out of the receiver so far, 8 kHz."""
        return np.concatenate([read_dump(dump) for dump in self.folder.glob("dump-*-dec.wav")] or [NOTHING])

    async def has_heard(self, seconds: float, *, within_s: float = 20.0) -> None:
        """Until this much has come out of the receiver; silence that is not sent does not count."""
        async with asyncio.timeout(within_s):
            while len(self.heard()) < seconds * RATE:  # noqa: ASYNC110 - another program writes the file
                await asyncio.sleep(0.1)

    async def stop(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
        if self._writer is not None:
            self._writer.close()
        await self._baresip.stop()

    def _command(self, command: str, parameters: str = "") -> None:
        assert self._writer is not None
        text = json.dumps({"command": command, "params": parameters, "token": command})
        self._writer.write(f"{len(text)}:{text},".encode())

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                size = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(size + 1))[:-1])
                async with self._more:
                    self.events.append(message)
                    self._more.notify_all()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass


def read_dump(path: Path) -> np.ndarray[Any, np.dtype[np.int16]]:
    """What baresip has written down so far, 8 kHz. Its header tells a length only when the call is over."""
    raw = path.read_bytes()[44:]
    return np.frombuffer(raw[: len(raw) // 2 * 2], dtype="<i2").astype(np.int16)


@asynccontextmanager
async def telephone(
    folder: Path,
    says: np.ndarray[Any, np.dtype[np.int16]],
    *,
    account: str = "audio_codecs=pcma,pcmu",
    transport: str = "udp",
    ca: Path = CA,
) -> AsyncIterator[Telephone]:
    phone = Telephone(folder, account=account, transport=transport, ca=ca)
    try:
        await phone.start(says)
        yield phone
    finally:
        await phone.stop()


def write_wav(path: Path, samples: np.ndarray[Any, np.dtype[np.int16]]) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.astype("<i2").tobytes())


def _three_ports() -> int:
    """SIP, SIP over TLS behind it, control."""
    for port in range(20_000 + (id(object()) // 64) % 9_000, 32_000, 3):
        probes = [socket.socket() for _ in range(3)]
        try:
            for number, probe in enumerate(probes):
                probe.bind((TELEPHONES, port + number))
            return port
        except OSError:
            continue
        finally:
            for probe in probes:
                probe.close()
    raise AssertionError("no three ports in a row are free")
