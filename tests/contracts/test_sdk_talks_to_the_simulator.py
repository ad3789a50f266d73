"""OpenAI's own client holds a conversation with the simulator: what it sends is accepted, what it gets it knows."""

import base64

from openai import AsyncOpenAI
from openai.types.realtime import ResponseDoneEvent

from realtime.simulator import tone
from realtime.simulator.script import AT_ONCE, FunctionCall, Reply, Script
from realtime.simulator.server import Simulator

SCRIPT = Script(
    hears=["I need an appointment on Friday"],
    says=[
        Reply(text="Good morning, how can I help?", audio_ms=400),
        FunctionCall("schedule_appointment", {"date": "2026-11-27"}),
        Reply(text="You are booked for Friday.", audio_ms=400),
    ],
    pace=AT_ONCE,
    transcription_ms=0,
)
SPEECH = tone.sweep(500).tobytes() + bytes(48 * 700)


async def test_the_sdk_books_an_appointment_with_the_simulator() -> None:
    transcripts: list[str] = []
    async with (
        Simulator(mind=SCRIPT) as simulator,
        AsyncOpenAI(api_key="test-key", websocket_base_url=simulator.url) as client,
        client.realtime.connect(model="gpt-realtime-2.1") as connection,
    ):
        await connection.session.update(
            session={
                "type": "realtime",
                "instructions": "You are a receptionist.",
                "audio": {
                    "input": {
                        "format": {"type": "audio/pcm", "rate": 24000},
                        "transcription": {"model": "gpt-transcribe"},
                        "turn_detection": {"type": "server_vad", "silence_duration_ms": 400},
                    },
                    "output": {"format": {"type": "audio/pcm", "rate": 24000}, "voice": "cedar"},
                },
                "tools": [
                    {"type": "function", "name": "schedule_appointment", "parameters": {"type": "object"}}
                ],
            }
        )
        await connection.response.create(response={"metadata": {"purpose": "greeting"}})
        done: list[ResponseDoneEvent] = []
        async for event in connection:
            match event.type:
                case "response.output_audio_transcript.done":
                    transcripts.append(event.transcript)
                case "conversation.item.input_audio_transcription.completed":
                    transcripts.append(event.transcript)
                case "response.function_call_arguments.done":
                    call_id = event.call_id
                case "error":
                    raise AssertionError(event.error.message)
                case "response.done":
                    done.append(event)
                    if len(done) == 1:
                        await connection.input_audio_buffer.append(audio=base64.b64encode(SPEECH).decode())
                    elif len(done) == 2:
                        await connection.conversation.item.create(
                            item={
                                "type": "function_call_output",
                                "call_id": call_id,
                                "output": '{"booked": true}',
                            }
                        )
                        await connection.response.create()
                    else:
                        break

    assert sorted(transcripts) == [
        "Good morning, how can I help?",
        "I need an appointment on Friday",
        "You are booked for Friday.",
    ]
    assert done[0].response.metadata == {"purpose": "greeting"}
    assert [event.response.status for event in done] == ["completed"] * 3
    assert done[2].response.usage is not None
    assert simulator.sessions[0].received_audio_ms == 1200
