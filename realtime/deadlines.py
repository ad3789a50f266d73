"""When a conversation is to be woken, if nothing happens before: the earliest of its parts' times that count now."""

from __future__ import annotations

from realtime.parts import Parts
from realtime.phase import Phase


def next_deadline(parts: Parts) -> float | None:
    """None: nothing is waited for."""
    standing, ending = parts.standing, parts.ending
    if standing.closed:
        return None
    if standing.phase is Phase.ENDING:
        return ending.next_deadline()
    if standing.phase is Phase.NOTICE:
        return ending.by
    due = [*_of_the_session(parts), *([] if standing.person is not None else _of_the_talk(parts))]
    return min((at for at in due if at is not None), default=None)


def _of_the_session(parts: Parts) -> list[float | None]:
    sessions = parts.sessions
    due = [sessions.setup_by, sessions.continuity.open_at]
    if parts.standing.ready:
        due += [sessions.rotation.next_deadline(), parts.words.sounds.next_deadline()]
    return due


def _of_the_talk(parts: Parts) -> list[float | None]:
    standing, silence = parts.standing, parts.silence
    due = [parts.ending.by if standing.ending is not None else silence.duration.end_at]
    due += [silence.watchdog.next_deadline()]
    if standing.ending is None and not parts.wishes.busy and not standing.peer_lost:
        due += [silence.duration.warn_at, silence.idle.next_deadline()]
    if standing.ready and not standing.peer_lost:
        due += [parts.wishes.responses.next_deadline(), parts.tools.fillers.next_deadline()]
    return due
