"""Nobody is left in silence: the steps towards an agent that does not answer, and towards a caller who does not."""

from __future__ import annotations

from dataclasses import dataclass

from realtime import instructions
from realtime.agent import Agent
from realtime.ending import Ending
from realtime.idle_caller import Idle, IdleCaller
from realtime.longest_duration import LongestDuration
from realtime.outgoing import Outgoing
from realtime.phase import Standing
from realtime.recorded_words import filler
from realtime.session_life import SessionLife
from realtime.spoken_record import SpokenRecord
from realtime.watchdog import Step, Watchdog
from realtime.wishes import Wishes
from storage.events import WatchdogStep


@dataclass(slots=True, kw_only=True)
class NeverSilent:
    """`watch` after every input, `wake` at the deadlines of its parts."""

    agent: Agent
    out: Outgoing
    standing: Standing
    record: SpokenRecord
    wishes: Wishes
    ending: Ending
    sessions: SessionLife
    watchdog: Watchdog
    idle: IdleCaller
    duration: LongestDuration

    def watch(self, now: float) -> None:
        """Whether the caller waits for the agent's words, and whether that time counts."""
        if not self.standing.under_way or self.standing.person is not None:
            self.watchdog.satisfied()
            return
        self.watchdog.hold(self.standing.peer_lost or not self.wishes.calls.idle, now)
        responses = self.wishes.responses
        owed = self.wishes.resume or not responses.quiet or self.record.turns.awaits_answer
        if self.standing.playing or responses.caller_speaking or not self.standing.media_up or not owed:
            self.watchdog.satisfied()
        else:
            self.watchdog.awaited(now)

    def wake(self, now: float) -> None:
        """Take the step that is due. A person who talks with the caller needs none."""
        if self.standing.person is not None:
            return
        waited_ms = self.watchdog.waited_ms(now)
        step = self.watchdog.due(now)
        if step is not None and self._took(step, now):
            self.out.publish(WatchdogStep(step=step.value, waited_ms=waited_ms))
        if self.standing.ending is not None or self.standing.peer_lost or not self.standing.under_way:
            return
        if not self.wishes.busy and self.duration.warn(now):
            self.wishes.words(instructions.LAST_MINUTE)
        idle_ms = self.idle.idle_ms(now)
        idle = self.idle.due(now, agent_speaks=self.wishes.busy)
        if idle is not None:
            self.out.publish(WatchdogStep(step=idle.value, waited_ms=idle_ms))
        if idle is Idle.PROMPT:
            self.wishes.words(instructions.STILL_THERE)
        elif idle is Idle.HANG_UP:
            self.ending.say_goodbye("nobody has said anything for a while", "silence", now)

    def _took(self, step: Step, now: float) -> bool:
        """Take a step of the watchdog's; False where it does not apply."""
        match step:
            case Step.FILLER:
                words = filler(self.agent.language)
                if words is not None:
                    self.record.play_recorded(words, now)
                return words is not None
            case Step.REASK if self.standing.ready:
                self._ask_again()
                return True
            case Step.NEW_SESSION if self.standing.ready:
                self.sessions.over("watchdog", "", now)
                return True
            case Step.NEXT_MODEL if self.sessions.continuity.next_model():
                self.sessions.over("watchdog", "", now)
                return True
            case Step.NOTICE:
                self.ending.provider_failed("no_answer", "the model has not spoken for too long", now)
        return False

    def _ask_again(self) -> None:
        self.wishes.stop_active()
        asked = self.wishes.responses.give_up()
        if asked is not None and asked.body:
            self.ending.asked_again(asked.request_id, self.wishes.again(asked))
        else:
            self.wishes.answer(set())
