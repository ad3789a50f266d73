"""Whatever is asked within a call, in whatever order: each request gets exactly one final answer, and the call ends
once."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from signaling.sip.call import Call
from signaling.sip.dialogs import Dialog
from signaling.sip.message import Request, Response, reply, with_header
from signaling.sip.ports import Unreachable
from tests.signaling.sip.house import Guest
from tests.signaling.sip.phone import ANSWER, OFFER
from tests.signaling.sip.wire import UDP, request

BODIES = {
    "none": ("", ""),
    "same": ("application/sdp", OFFER),
    "hold": ("application/sdp", OFFER.replace("a=sendrecv", "a=sendonly")),
    "moved": ("application/sdp", OFFER.replace("ufrag:abcd", "ufrag:efgh")),
    "nonsense": ("application/sdp", "v=0\r\nx"),
    "key": ("application/dtmf-relay", "Signal=1\r\nDuration=100"),
    "foreign": ("text/plain", "x"),
}
METHODS = ["INVITE", "UPDATE", "INFO", "OPTIONS", "REFER", "NOTIFY", "PRACK", "BYE", "MESSAGE", "FOO", "ACK"]
ASKED = st.tuples(
    st.sampled_from(METHODS),
    st.sampled_from(sorted(BODIES)),
    st.integers(-2, 3),  # how far CSeq goes on: back, or with gaps
    st.sampled_from(["", "Require: nothing", "Session-Expires: 20\nSupported: timer", "Refer-To: <sip:x@y>"]),
    st.booleans(),  # whether what was begun comes to its end before the next one
)


class Recorder:
    """Implements Wires: what is answered, and what we ask, which nobody answers."""

    def __init__(self) -> None:
        self.answers: Counter[tuple[str, ...]] = Counter()
        self.asked: list[str] = []
        self.ended = 0
        self.tasks: list[asyncio.Task[None]] = []

    def contact(self, transport: str) -> tuple[str, str]:
        return ("Contact", "<sip:us@192.0.2.9>")

    def respond(self, key: tuple[str, ...], response: Response) -> bool:
        assert response.status >= 200
        self.answers[key] += 1
        return True

    def acknowledged(self, key: tuple[str, ...]) -> None: ...

    async def ask(self, call: Any, asked: Request) -> Response:
        self.asked.append(asked.method)
        if asked.method == "NOTIFY":
            return reply(asked, 200)
        raise Unreachable("nobody there")

    async def acknowledge(self, call: Any, asked: Request) -> None: ...

    def now(self) -> float:
        return 0.0

    def later(self, at: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(1000, call)

    def spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        self.tasks.append(asyncio.get_running_loop().create_task(work))

    def over(self, call: Any) -> None:
        self.ended += 1


@settings(max_examples=150, deadline=None)
@given(st.lists(ASKED, max_size=12))
def test_each_request_gets_one_final_answer_and_the_call_ends_once(
    story: list[tuple[str, str, int, str, bool]],
) -> None:
    asyncio.run(told(story))


async def told(story: list[tuple[str, str, int, str, bool]]) -> None:
    wires = Recorder()
    call = Call(wires, Dialog.of_server(request(), "ours", first_seq=1), UDP)  # type: ignore[arg-type]
    guest = Guest(line=None, changes_to=ANSWER, referrals=[(200, "OK")])  # type: ignore[arg-type]  # nobody speaks
    call.media(guest, OFFER, ANSWER)
    call.established(request())
    number, keys = 1, []
    for index, (method, body, step, header, settled) in enumerate(story):
        number = max(1, number + step)
        kind, text = BODIES[body]
        came = request(
            method, cseq=number, branch=f"z9hG4bK{index}", to_tag="ours", CSeq=f"{number} {method}"
        )
        came = with_header(came, "Content-Type", kind) if kind else came
        for line in header.split("\n") if header else []:
            name, _, value = line.partition(": ")
            came = with_header(came, name, value)
        came = Request(method=method, uri=came.uri, headers=came.headers, body=text.encode())
        if method == "ACK":
            call.acknowledged(came)
        elif not call.over.is_set():  # afterwards the agent itself says 481
            keys.append((str(index),))
            call.receive(keys[-1], came)
        if settled:
            await asyncio.sleep(0)
    while running := [task for task in wires.tasks if not task.done()]:
        await asyncio.wait(running)

    assert wires.answers == Counter(keys)
    assert wires.ended == (1 if call.over.is_set() else 0)
    assert len([each for each in guest.told if each[0] == "hung_up"]) <= 1
    assert [task.exception() for task in wires.tasks if task.exception() is not None] == []
    call.end(None)
