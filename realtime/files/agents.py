"""Agent documents from TOML files."""

from __future__ import annotations

from pathlib import Path

from realtime.agent import Agent, InvalidAgent, parse_agent


def load_agents(path: str | Path) -> dict[str, Agent]:
    """The agents of a folder's `*.toml` files, or of one file, by id, in the order of file names.

    Raises InvalidAgent, with the problems of every file; FileNotFoundError where there is no such path or no
    document in it.
    """
    place = Path(path)
    files = [place] if place.is_file() else sorted(place.glob("*.toml"))
    if not files:
        raise FileNotFoundError(
            f"no agent document at {place}: expected a .toml file or a folder of them (setting agents.path)"
        )
    agents: dict[str, Agent] = {}
    problems: list[str] = []
    for file in files:
        try:
            agent = parse_agent(file.read_text(encoding="utf-8"), source=file.name)
        except InvalidAgent as error:
            problems += [f"{file.name}: {problem}" for problem in error.problems]
            continue
        except UnicodeDecodeError:
            problems.append(f"{file.name}: not UTF-8 text")
            continue
        if agent.id in agents:
            problems.append(f"{file.name}: the id {agent.id!r} is taken by another file")
        agents[agent.id] = agent
    if problems:
        raise InvalidAgent(str(place), problems)
    return agents
