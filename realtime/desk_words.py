"""What the agent is told while a person is asked for, and what it is to say then.

Each moment has a fact, which stays in the conversation, and for some of them something to say now. Nothing is
promised that is not known, and nothing here tells the agent to be silent: it goes on helping until somebody comes,
and it is responsible again when nobody does. The model says it in its own words and in the caller's language.
"""

from __future__ import annotations

import json
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """`fact`: a line of the conversation; `say`: instructions for one answer now, None: nothing is to be said."""

    fact: str
    say: str | None = None


_CALLBACK = (
    "Offer, in one sentence, that somebody calls back (book_callback) or that you go on helping yourself. "
    "Do not promise when a person will be free."
)

_REASONS = {
    "closed": "the desk is closed at this hour",
    "nobody": "nobody is at the desk at the moment",
    "full": "too many callers are waiting already",
    "directory_lost": "the desk cannot be reached for technical reasons",
}


def news(moment: str, detail: str = "") -> News | None:
    """What the agent is told at `moment` (see `signaling.handoff_effects.TellAgent`); None: nothing."""
    match moment:
        case "requested":
            return News(
                fact="[A colleague has been asked for. You talk with the caller until one joins.]",
                say=(
                    "Tell the caller in one short sentence that you are asking a colleague to join and that you "
                    "stay on the line meanwhile. Do not promise how long it takes."
                ),
            )
        case "still_waiting":
            return News(
                fact=f"[Nobody is free yet, after {detail} seconds. You talk with the caller until somebody is.]",
                say=f"Tell the caller honestly that nobody is free yet and that it is still being tried. {_CALLBACK}",
            )
        case "unavailable":
            why = _REASONS.get(detail, "nobody can take the call")
            return News(
                fact=f"[No colleague can take this call: {why}. You are responsible for the caller.]",
                say=f"Tell the caller that no colleague can take the call now, because {why}. {_CALLBACK}",
            )
        case "timed_out":
            return News(
                fact="[The request for a colleague has ended: nobody was free. You are responsible for the caller.]",
                say=f"Apologise in a few words: all colleagues are busy. {_CALLBACK}",
            )
        case "withdrawn":
            return News(
                fact="[The request for a colleague was withdrawn. You are responsible for the caller.]"
            )
        case "callback_booked":
            return News(fact="[A callback is noted. Nobody will join this call any more.]")
        case _:
            return None


def whisper(text: str) -> News:
    """A line from a supervisor who listens; the caller did not hear it."""
    quoted = json.dumps(text, ensure_ascii=False)
    return News(
        fact=f"[Your supervisor, whom the caller cannot hear, tells you: {quoted}]",
        say=(
            f"Your supervisor has just told you: {quoted}. Act on it now, in your own words, without mentioning "
            "the supervisor. If it is only information, use it where it helps."
        ),
    )
