"""The functions a model may call: their registry, how they are run, and one file for each that is built in.

A tool is a typed async function:

    @tool(timeout_s=5)
    async def find_table(day: Annotated[date, Field(description="The day wanted")], call: CallContext) -> str:
        "Find free tables on a day."

While it runs the caller is heard and the agent may speak; after two seconds of silence the agent says
`speak_while`, or words of its own. What blocks belongs into `asyncio.to_thread`: a plain function is refused,
because a thread cannot be stopped when its time is up. At most eight run at once for a call, 200 in a process;
more wait in order. A tool that is cancelled (its time is up, or the call is over) must let go: until it does
it keeps its place. `call.idempotency_key` is the same however often one function call is run.
"""

from realtime.tools.context import CallContext, Refused, ToolError
from realtime.tools.registry import Tool, ToolRegistry, tool

__all__ = ["CallContext", "Refused", "Tool", "ToolError", "ToolRegistry", "tool"]
