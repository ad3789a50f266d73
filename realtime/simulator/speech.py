"""Ears and a mouth from packages that carry their models: nothing is ever downloaded.

`transcribe` and `synthesize` are also for tests: to make a caller's spoken turns and to recognise what the
caller was told.  The models are loaded once per process, at the first use or by `models()`.

Speech recognition: moonshine-voice 0.1.0, the last version with its English model in the wheel.
Text-to-speech: hibari-tts, 24 kHz, which is the Realtime API's own rate.
"""

import importlib
import threading
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from realtime.simulator.audio_formats import Floats, Samples, as_floats, resample

SAMPLE_RATE = 24_000
STT_RATE = 16_000  # moonshine's own rate
# Less than this holds no word, and the model invents one.
SHORTEST_SPEECH_MS = 80
# Quieter than this throughout (about -46 dBFS) is a line without a voice; of it, the model makes "You".
QUIET = 0.005
# Its own segmentation cuts sentences in the middle; turns are found by our detector before it is asked.
_OPTIONS = {"return_audio_data": "false", "vad_threshold": "0"}


class SpeechUnavailable(Exception):
    """The speech packages are not installed."""

    def __init__(self, package: str) -> None:
        super().__init__(
            f"the spoken simulator needs the package {package}, which is not installed: "
            "run `pip install 'cordboard[simulator]'` (in a clone: `pip install -e '.[simulator]'`)"
        )


@dataclass(slots=True)
class Models:
    """The loaded models.  Each serves one call at a time; others wait for its lock."""

    _recogniser: Any  # moonshine_voice has no types
    _synthesiser: Any  # hibari has no types
    _recognising: threading.Lock = field(default_factory=threading.Lock)
    _synthesising: threading.Lock = field(default_factory=threading.Lock)

    def transcribe(self, samples16k: Samples) -> str:
        """The words in 16 kHz audio, "" when there are none.  Blocks for about 3 % of the audio's length."""
        signal = as_floats(samples16k)
        if len(signal) < SHORTEST_SPEECH_MS * STT_RATE // 1000 or _loudest(signal) < QUIET:
            return ""
        floats = signal.tolist()
        with self._recognising:
            result = self._recogniser.transcribe_without_streaming(floats, STT_RATE)
        return " ".join(line.text.strip() for line in result.lines if line.text.strip())

    def synthesize(self, text: str, speed: float) -> Samples:
        """24 kHz samples.  Blocks for about 1 % of the audio's length."""
        with self._synthesising:
            # A fixed seed: the same words are the same bytes every time.
            audio = self._synthesiser(text, speed=min(2.0, max(0.5, speed)), seed=0)
        samples: Samples = np.clip(np.asarray(audio) * 32767, -32768, 32767).astype(np.int16)
        return samples

    def sentences(self, text: str) -> list[str]:
        """The text in the pieces that are synthesised one by one."""
        found: list[str] = self._synthesiser.split_sentences(text)
        return found


def _loudest(signal: Floats) -> float:
    """The highest RMS of any 32 ms."""
    frames = signal[: len(signal) // 512 * 512].reshape(-1, 512)
    return float(np.sqrt((frames**2).mean(axis=1)).max())


_loading = threading.Lock()


def models() -> Models:
    """Load the models, or return them.  SpeechUnavailable: the extra `simulator` is not installed."""
    with _loading:
        return _load()


@cache
def _load() -> Models:
    # Only the files needed: the package's others reach for the sound card and for the network.
    api = _imported("moonshine_voice.moonshine_api", "moonshine-voice==0.1.0")
    transcriber = _imported("moonshine_voice.transcriber", "moonshine-voice==0.1.0")
    utils = _imported("moonshine_voice.utils", "moonshine-voice==0.1.0")
    hibari = _imported("hibari", "hibari-tts==0.2.1")
    model = utils.get_model_path("tiny-en")
    if not (model / "encoder_model.ort").exists():
        raise SpeechUnavailable("moonshine-voice==0.1.0 (newer versions come without their model)")
    recogniser = transcriber.Transcriber(str(model), api.ModelArch.TINY, options=_OPTIONS)
    loaded = Models(recogniser, hibari.Hibari())
    # The first run of each is several times slower than the others: let it be this one.
    loaded.transcribe(
        resample(loaded.synthesize("Good morning, how can I help you?", 1.0), SAMPLE_RATE, STT_RATE)
    )
    return loaded


def _imported(module: str, package: str) -> Any:
    """A module of the extra.  By name: none of them has types."""
    try:
        return importlib.import_module(module)
    except ImportError:
        raise SpeechUnavailable(package) from None


def transcribe(pcm24k: bytes) -> str:
    """The words in 24 kHz mono 16-bit audio, "" when there are none.  Blocks; use a thread in a server."""
    samples = np.frombuffer(pcm24k, dtype="<i2")
    return models().transcribe(resample(samples, SAMPLE_RATE, STT_RATE))


def synthesize(text: str, *, speed: float = 1.0) -> bytes:
    """`text` spoken: 24 kHz mono 16-bit audio.  `speed` 0.5 to 2.  Blocks; use a thread in a server."""
    return models().synthesize(text, speed).astype("<i2").tobytes()
