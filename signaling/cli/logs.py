"""Logs as data: one line a record, `action` and the other named facts after the text, nothing personal.

A traceback shows where and which types of errors; their messages are left out, because they quote the values at
hand: a database's what it could not store, a parser's what it could not read. An OSError's own words stay.
"""

from __future__ import annotations

import logging
import traceback
from types import TracebackType
from typing import Any

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

    def formatException(  # noqa: N802 - logging's own name
        self, ei: tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
    ) -> str:
        """The traceback without what the errors say."""
        return "" if ei[1] is None else "\n".join(_told(ei[1], set()))


class _AsyncioLines(logging.Filter):
    """asyncio names a task nobody waited for with its whole error: where it happened is in the traceback."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = record.getMessage().partition("\n")[0], None
        return True


def _told(error: BaseException, seen: set[int]) -> list[str]:
    """Of an error and what led to it, the oldest first; of a group its members, too."""
    seen.add(id(error))
    lines: list[str] = []
    before = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    if before is not None and id(before) not in seen:
        lines += [*_told(before, seen), "then:"]
    lines += "".join(traceback.format_tb(error.__traceback__)).splitlines()
    kind = type(error)
    words: Any = f": {error.strerror}" if isinstance(error, OSError) and error.strerror else ""
    lines.append(f"{kind.__module__}.{kind.__qualname__}{words}".removeprefix("builtins."))
    if isinstance(error, BaseExceptionGroup):
        for number, member in enumerate(error.exceptions, 1):
            if id(member) not in seen:
                lines += [
                    f"  {number}. of {len(error.exceptions)}:",
                    *(f"  {line}" for line in _told(member, seen)),
                ]
    return lines


def start_logging(level: str) -> None:
    """Everything of ours to standard error from `level` up; libraries from warning up."""
    handler = logging.StreamHandler()
    handler.setFormatter(FactsFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("asyncio").addFilter(_AsyncioLines())
    for name in ("signaling", "realtime", "media", "storage"):
        logging.getLogger(name).setLevel(level.upper())
