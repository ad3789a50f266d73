"""How good the line was: what was lost, how unsteady it came, and what that is worth to the ear.

The counters of `quality.sampled` only grow while a line lasts, and begin again at nought with the next one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from storage.events import QualitySampled

# ITU-T G.107 (06/2015), default values of all parameters: R = 93.2 before delay and loss.
R_WITHOUT_IMPAIRMENT = 93.2
# ITU-T G.113 (11/2007), Appendix I: G.711 with packet loss concealment at random loss. Opus is not in the table; its
# concealment is at least as good, so that this is a lower estimate.
EQUIPMENT_IMPAIRMENT = 0.0
LOSS_ROBUSTNESS = 25.1
# One way beside the network: 20 ms of packet, about 40 ms of receiver's buffer.
LOCAL_DELAY_MS = 60.0


class Media(msgspec.Struct, frozen=True, kw_only=True):
    """One call's line, as we received the caller."""

    packets_received: int
    packets_lost: int
    loss: float | None  # share of what was sent
    concealed_ms: int
    jitter_p95_ms: float | None
    rtt_p95_ms: float | None
    r_factor: (
        float | None
    )  # estimate of ITU-T G.107, 0 to 93.2; 80 and more satisfies, below 60 nearly nobody
    jitter_ms: list[float]  # every sample
    rtt_ms: list[float]


def media_of(samples: Sequence[QualitySampled]) -> Media | None:
    """The samples of a call in order; None where there are none."""
    if not samples:
        return None
    received = _grown([sample.packets_received for sample in samples])
    lost = _grown([sample.packets_lost for sample in samples])
    jitter = [sample.jitter_ms for sample in samples]
    rtt = [sample.rtt_ms for sample in samples if sample.rtt_ms is not None]
    loss = max(0, lost) / (received + max(0, lost)) if received + max(0, lost) else None
    r = None if loss is None else r_factor(loss=loss, rtt_ms=_mean(rtt), jitter_ms=_mean(jitter))
    return Media(
        packets_received=received,
        packets_lost=lost,
        loss=None if loss is None else round(loss, 5),
        concealed_ms=_grown([sample.concealed_ms for sample in samples]),
        jitter_p95_ms=_p95(jitter),
        rtt_p95_ms=_p95(rtt),
        r_factor=None if r is None else round(r, 1),
        jitter_ms=jitter,
        rtt_ms=rtt,
    )


def r_factor(*, loss: float, rtt_ms: float, jitter_ms: float) -> float:
    """ITU-T G.107 reduced to what a live call tells: R = 93.2 - Id - Ie,eff.

    `loss`: share of packets, taken to be random. Id by R. G. Cole and J. H. Rosenbluth, "Voice over IP performance
    monitoring" (2001), eq. 6: 0.024 d, and 0.11 for each ms beyond 177.3. Two jitters are taken as waited for.
    """
    delay_ms = rtt_ms / 2 + 2 * jitter_ms + LOCAL_DELAY_MS
    delay_impairment = 0.024 * delay_ms + 0.11 * max(0.0, delay_ms - 177.3)
    percent = 100 * loss
    # G.107 (7-29) with BurstR = 1
    loss_impairment = EQUIPMENT_IMPAIRMENT + (95 - EQUIPMENT_IMPAIRMENT) * percent / (
        percent + LOSS_ROBUSTNESS
    )
    return max(0.0, R_WITHOUT_IMPAIRMENT - delay_impairment - loss_impairment)


def _grown(counts: Sequence[int]) -> int:
    """How far a counter came in all; one that is lower than before began again with a new line.

    Lost packets that come late are taken back, so that counter may fall a little: from nought it would be low.
    """
    total, before = 0, 0
    for count in counts:
        restarted = count < before and count < before / 2
        total += count if restarted else count - before
        before = count
    return total


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def _p95(values: Sequence[float]) -> float | None:
    if not values:
        return None
    return round(sorted(values)[-(-len(values) * 95 // 100) - 1], 1)
