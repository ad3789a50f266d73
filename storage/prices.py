"""What a response cost, by a price table that says its date and where it was read.

Prices are USD per million tokens, which is micro-USD per token. A model that the table does not know has no cost:
None, never 0. Entries of one model may follow each other in time; the one in force when the tokens were used counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from storage.events import UsageRecorded


class Price(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One model's prices from a day on, USD per million tokens."""

    model: str  # also covers its dated snapshots: "gpt-realtime" and "gpt-realtime-2025-08-28"
    since: str  # YYYY-MM-DD, UTC
    text_input: float
    text_cached: float
    text_output: float
    audio_input: float
    audio_cached: float
    audio_output: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PriceTable:
    """`date`: when it was read; `source`: where."""

    date: str
    source: str
    prices: tuple[Price, ...]

    def price_of(self, model: str, day: str) -> Price | None:
        """What `model` costs on `day` (YYYY-MM-DD); None where the table does not say."""
        known = [each for each in self.prices if _covers(each.model, model) and each.since <= day]
        return max(known, key=lambda each: (len(each.model), each.since), default=None)

    def cost(self, usage: UsageRecorded, day: str) -> float | None:
        """Micro-USD, not rounded; None for an unknown model."""
        price = self.price_of(usage.model, day)
        if price is None:
            return None
        cached_audio, cached_text = cached_parts(usage)
        return (
            max(0, usage.input_audio_tokens - cached_audio) * price.audio_input
            + max(0, usage.input_text_tokens - cached_text) * price.text_input
            + cached_audio * price.audio_cached
            + cached_text * price.text_cached
            + usage.output_audio_tokens * price.audio_output
            + usage.output_text_tokens * price.text_output
        )


def cached_parts(usage: UsageRecorded) -> tuple[int, int]:
    """(audio, text) of the cached tokens. Where they were not told apart they are taken to be text first: a cached
    prefix begins with the instructions, which are text."""
    if usage.cached_audio_tokens is not None and usage.cached_text_tokens is not None:
        return usage.cached_audio_tokens, usage.cached_text_tokens
    text = min(usage.cached_tokens, usage.input_text_tokens)
    return min(usage.cached_tokens - text, usage.input_audio_tokens), text


def _covers(name: str, model: str) -> bool:
    # A snapshot's name is the model's and a date: 2025-08-28.
    return model == name or (
        model.startswith(f"{name}-") and model[len(name) + 1 :].replace("-", "").isdigit()
    )


def _price(model: str, since: str, text: Sequence[float], audio: Sequence[float]) -> Price:
    return Price(
        model=model,
        since=since,
        text_input=text[0],
        text_cached=text[1],
        text_output=text[2],
        audio_input=audio[0],
        audio_cached=audio[1],
        audio_output=audio[2],
    )


# (input, cached input, output) of text and of audio. An entry without a known first day is good for all of them.
_FULL = (32.0, 0.4, 64.0)
_MINI = (10.0, 0.3, 20.0)
_ALWAYS = "2024-01-01"
PRICES = PriceTable(
    date="2026-11-22",
    source="https://developers.openai.com/api/docs/pricing and the pages of the models",
    prices=(
        _price("gpt-realtime", _ALWAYS, (4.0, 0.4, 16.0), _FULL),
        _price("gpt-realtime-1.5", _ALWAYS, (4.0, 0.4, 16.0), _FULL),
        _price("gpt-realtime-2", _ALWAYS, (4.0, 0.4, 24.0), _FULL),
        _price("gpt-realtime-2.1", _ALWAYS, (4.0, 0.4, 24.0), _FULL),
        _price("gpt-realtime-mini", _ALWAYS, (0.6, 0.06, 2.4), _MINI),
        _price("gpt-realtime-2.1-mini", _ALWAYS, (0.6, 0.06, 2.4), _MINI),
    ),
)


def with_own_prices(own: Iterable[Any]) -> PriceTable:
    """The built-in table with an installation's own entries before it; those of a model replace all built-in ones.

    Raises ValueError that says which entry is wrong and how.
    """
    try:
        taken = tuple(msgspec.convert(each, Price) for each in own)
    except msgspec.ValidationError as error:
        raise ValueError(f"a price needs {', '.join(Price.__struct_fields__)}: {error}") from error
    if not taken:
        return PRICES
    named = {each.model for each in taken}
    kept = tuple(each for each in PRICES.prices if each.model not in named)
    return PriceTable(date=PRICES.date, source=f"the settings, and {PRICES.source}", prices=(*taken, *kept))
