"""Does the agent's voice need forward error correction just now? Read off the peer's receiver reports.

Protection costs three times the CPU and some fidelity (media/rtc/libopus.py), so it is on only while packets are
being lost: at once when they are, off again after a while without loss.
"""

from __future__ import annotations

from typing import Final

ON_AT: Final = 0.03  # share lost in one report; below that concealment alone is hardly heard
OFF_BELOW: Final = 0.01
CLEAN_REPORTS: Final = 6  # in a row; Chromium sends one every 5 s for audio, so about half a minute
MAX_EXPECTED: Final = 0.30  # more than libopus makes good use of


class Protection:
    def __init__(self) -> None:
        self._clean = 0
        self.expected_loss = 0.0  # what the encoder should prepare for; 0: no protection

    def reported(self, lost_share: float) -> bool:
        """Takes one report; True when `expected_loss` has changed enough to act on."""
        if lost_share >= ON_AT:
            self._clean = 0
            if lost_share <= self.expected_loss * 1.5:
                return False
            self.expected_loss = min(lost_share, MAX_EXPECTED)
            return True
        self._clean = self._clean + 1 if lost_share < OFF_BELOW else 0
        if self.expected_loss and self._clean >= CLEAN_REPORTS:
            self.expected_loss = 0.0
            return True
        return False
