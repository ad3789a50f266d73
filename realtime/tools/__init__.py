"""The functions a model may call: their registry, how they are run, and one file for each that is built in.

A tool is a typed async function:

    @tool(timeout_s=5)
    async def find_table(day: Annotated[date, Field(description="The day wanted")], call: CallContext) -> str:
        "Find free tables on a day."
"""

from realtime.tools.context import CallContext, ToolError
from realtime.tools.registry import Tool, ToolRegistry, tool

__all__ = ["CallContext", "Tool", "ToolError", "ToolRegistry", "tool"]
