"""Runs evaluation cases over a Realtime server in writing: one fresh session a case, one thing said, one answer.

What stands behind the address decides what a run shows. Against a real model it shows the agent's quality; against
`follows_instructions`, a scripted session that only does what the instructions say, it shows that what a case
wants is in the prompt, reachable by the caller's words, and not contradicted by another line.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from realtime.agent import Agent
from realtime.instructions import greeting, render
from realtime.legacy_cases import Case, Verdict, judge
from realtime.simulator.script import AT_ONCE, Asked, Reply, Script
from tests.fakes.realtime_caller import Caller, calling
from tests.realtime.test_instructions import NOW


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One case, what was said, what came back."""

    case: Case
    said: str
    answer: str
    verdict: Verdict


async def run_cases(url: str, agent: Agent, cases: list[Case]) -> list[Ran]:
    """All cases, in their order."""
    instructions = render(agent, now=NOW)
    return [await _run(url, agent, case, instructions) for case in cases]


async def _run(url: str, agent: Agent, case: Case, instructions: str) -> Ran:
    opening = bool(agent.greeting) and case.verbatim and case.conveys == agent.greeting
    said = "" if opening else agent.say(case.says[0] if case.says else f"({case.situation})")
    if case.stage is not None and said:
        said = f"[{case.stage}] {said}"
    async with calling(url) as caller:
        await caller.update(instructions=instructions, output_modalities=["text"])
        answer = await _answer(caller, said, greeting(agent) if opening else None)
    verdict = judge(case, answer, conveys=agent.say(case.conveys))
    return Ran(case=case, said=said, answer=answer, verdict=verdict)


async def _answer(caller: Caller, said: str, order: str | None) -> str:
    if said:
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": said}]}
        await caller.send("conversation.item.create", item=item)
    response = {"instructions": order} if order else {}
    await caller.send("response.create", response=response)
    done = await caller.next("response.done")
    parts = [part for item in done["response"]["output"] for part in item.get("content", [])]
    return " ".join(part.get("text") or part.get("transcript") or "" for part in parts)


_STAGE = re.compile(r"^Stage \d+, (.*?)(?::.*)?$")
_LINE = re.compile(r"^- When (.*)$")
_EXAMPLE = re.compile(r'(?:For example|Say exactly): "(.*)"$')


def follows_instructions(asked: Asked) -> Reply:
    """Says the example of the guideline that what was heard belongs to; a stage's own guidelines come first."""
    exactly = re.search(r'Greet the caller now\. Say exactly: "(.*)"', asked.instructions)
    if exactly:
        return Reply(text=exactly[1], audio_ms=20)
    heard = asked.heard or ""
    named = re.match(r"\[(.*?)\] (.*)", heard, re.DOTALL)
    stage, words = (named[1], named[2]) if named else (None, heard)
    wanted = words[1:-1] if words.startswith("(") else f'"{words}"'
    found = [
        example
        for where, line, example in _guidelines(asked.instructions)
        if where == stage and wanted in line
    ]
    return Reply(text=found[0] if found else "I do not know.", audio_ms=20)


def _guidelines(instructions: str) -> list[tuple[str | None, str, str]]:
    """(stage, the line without its example, the example)."""
    stage: str | None = None
    found = []
    for line in instructions.split("\n"):
        opened = _STAGE.match(line)
        stage = opened[1] if opened else None if line.startswith(("# ", "Goal ")) else stage
        example = _EXAMPLE.search(line)
        if _LINE.match(line) and example:
            found.append((stage, line[: example.start()], example[1]))
    return found


FOLLOWS = Script(says=[follows_instructions], loop=True, pace=AT_ONCE)
