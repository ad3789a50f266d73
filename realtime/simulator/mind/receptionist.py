"""What to say next."""

import datetime
from collections.abc import Sequence

from realtime.simulator.persona import Prompt
from realtime.simulator.script import OutputItem, Reply


def think(prompt: Prompt, today: datetime.date) -> Sequence[OutputItem]:
    """The items of the next response."""
    return [Reply(text="Hello, how can I help you?")]
