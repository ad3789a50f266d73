"""The tools that an agent has without naming them: they belong to what its document says."""

from __future__ import annotations

from realtime.agent import Agent
from realtime.tools.book_callback import desk_tools
from realtime.tools.registry import Tool
from realtime.tools.slot_information import slot_tools
from realtime.tools.stop_recording import recording_tools


def belonging_tools(agent: Agent) -> dict[str, Tool]:
    """For its slots, its recordings, its wish for a person; in the order in which the model is told of them."""
    return {**slot_tools(agent), **recording_tools(agent), **desk_tools(agent)}
