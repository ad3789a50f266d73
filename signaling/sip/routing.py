"""Which agent answers which number."""

from __future__ import annotations

from collections.abc import Sequence


class BadRoute(ValueError):
    """A route that is not `number=agent`."""


class Routes:
    """`+81312345678=reception`, `+8150*=sales`, `*=desk`: the longest match wins, an exact one before a prefix."""

    def __init__(self, routes: Sequence[str]) -> None:
        """Raises BadRoute."""
        self._exact: dict[str, str] = {}
        self._prefixes: dict[str, str] = {}
        for route in routes:
            number, equals, agent = (part.strip() for part in route.partition("="))
            if not (number and equals and agent) or "*" in number[:-1]:
                raise BadRoute(f"{route!r} is not number=agent; * may stand at the number's end")
            if number.endswith("*"):
                self._prefixes[number[:-1]] = agent
            else:
                self._exact[number] = agent

    @property
    def agents(self) -> set[str]:
        return {*self._exact.values(), *self._prefixes.values()}

    def agent_for(self, called: str | None) -> str | None:
        """None: nobody answers this number."""
        if called is not None and called in self._exact:
            return self._exact[called]
        fitting = [prefix for prefix in self._prefixes if (called or "").startswith(prefix)]
        return self._prefixes[max(fitting, key=len)] if fitting else None
