"""Logs as data: one line a record, `action` and the other named facts after the text, nothing personal."""

from __future__ import annotations

import logging

_STANDARD = frozenset(vars(logging.makeLogRecord({})))


class FactsFormatter(logging.Formatter):
    """`2026-11-22 09:30:01,120 info signaling.web: request failed action=request_failed trace_id=…`"""

    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        facts = {
            k: v for k, v in vars(record).items() if k not in _STANDARD and k not in ("message", "asctime")
        }
        first, newline, rest = line.partition("\n")
        return first + "".join(f" {name}={value}" for name, value in facts.items()) + newline + rest


def start_logging(level: str) -> None:
    """Everything of ours to standard error from `level` up; libraries from warning up."""
    handler = logging.StreamHandler()
    handler.setFormatter(FactsFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("signaling", "realtime", "media", "storage"):
        logging.getLogger(name).setLevel(level.upper())
