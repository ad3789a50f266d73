"""An agent document from joined rules: guidelines, stages, variables, endings, what is to be found out.

The document is plain data (what a TOML file holds); beside it stand the rows of the report and the evaluation
cases, made in the same pass so that nothing is in one and not in the others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from realtime import legacy_names as names
from realtime.legacy_cases import Case, mentions
from realtime.legacy_joins import Joined, Way
from realtime.legacy_names import same, words
from realtime.legacy_rules import KeywordList, Template
from realtime.legacy_slots import slot_of
from realtime.legacy_values import Place
from realtime.legacy_variables import Variables
from realtime.legacy_wording import language_of, wording

_ZONES = {"ja": ("Asia/Tokyo", "JP"), "ko": ("Asia/Seoul", "KR"), "zh": ("Asia/Shanghai", "CN")}
_OUTBOUND = re.compile(
    r"お電話(?:いた|致)しました|お電話させて|発信|架電|テレアポ|calling (?:from|on behalf)|outbound", re.I
)
_UNNAMED = re.compile(r"(?:^|\.)rule \d+$")  # as legacy_recognition calls rules without a name
_COMPANY = (
    "company",
    "company_name",
    "companyName",
    "business",
    "会社名",
    "社名",
    "店名",
    "clinic_name",
    "shop_name",
)


@dataclass(slots=True, kw_only=True)
class Home:
    """Where a template went."""

    path: str  # "guidelines[3]", "flow[1].guidelines[0]", "greeting"
    situation: str
    merged: bool = False
    verbatim: bool = False


@dataclass(slots=True, kw_only=True)
class Draft:
    """What the migration proposes."""

    document: dict[str, Any]
    origins: dict[str, str] = field(
        default_factory=dict
    )  # path in the document → entry and line of the source
    homes: dict[Place, list[Home]] = field(default_factory=dict)  # by the template's place
    lists: dict[Place, list[str]] = field(default_factory=dict)  # keyword list → paths of guidelines
    facts: set[Place] = field(default_factory=set)  # variables that became part of the instructions
    outcomes: dict[Place, str] = field(default_factory=dict)
    slots: dict[Place, str] = field(default_factory=dict)
    stages: dict[str, str] = field(default_factory=dict)  # state value → path
    cases: list[Case] = field(default_factory=list)
    variables: Variables = field(default_factory=lambda: Variables({}))
    greeting: Template | None = None
    guesses: list[str] = field(default_factory=list)


def draft(joined: Joined, *, agent_id: str, title: str) -> Draft:
    """The proposal for one file."""
    return _Drafting(joined, agent_id, title).result()


class _Drafting:
    def __init__(self, joined: Joined, agent_id: str, title: str) -> None:
        self._joined = joined
        self._texts = "\n".join(template.text for template in joined.templates)
        self._language = language_of(self._texts)
        self._say = wording(self._language)
        self._variables = Variables({v.name: v.value for v in joined.rules.variables})
        self._guidelines: list[dict[str, Any]] = []
        self._stages: list[dict[str, Any]] = []
        self._by_text: dict[tuple[str, str], Home] = {}
        self._draft = Draft(document={"id": agent_id, "name": title}, variables=self._variables)

    def result(self) -> Draft:
        """Each part in its turn; the greeting first, since it is no guideline."""
        document = self._draft.document
        self._in_use = [template for template in self._joined.templates if not template.off]
        greeting = self._greeting()
        self._open_stages()
        for template in self._in_use:
            if template is not greeting:
                self._template(template)
        for listed in self._joined.aimless:
            if not listed.off and listed.words:
                self._aimless(listed)
        zone, region = _ZONES.get(self._language, ("UTC", "US"))
        outbound = bool(_OUTBOUND.search(self._texts))
        document["direction"] = "outbound" if outbound else "inbound"
        document["language"] = self._language
        document["timezone"], document["region"] = zone, region
        if greeting is not None:
            document["greeting"] = self._variables.text(greeting.text, template=True)
        document["instructions"] = "\n".join([self._say.freedom, *self._facts()])
        tools = [name for name in ("request_operator_handoff", "end_call") if self._calls(name)]
        if tools:
            document["tools"] = tools
        goals, outcomes = self._goals(), self._outcomes()
        self._name()
        if "request_operator_handoff" in tools:
            reasons = [self._situation(t, []) for t in self._in_use if t.hands_over]
            document["handoff"] = {"reasons": list(dict.fromkeys(map(self._variables.text, reasons)))}
        for key, value in (
            ("guidelines", self._guidelines), ("flow", self._stages), ("goals", goals), ("outcomes", outcomes),
        ):  # fmt: skip
            if value:
                document[key] = value
        if self._variables.used:
            document["variables"] = dict(self._variables.used)
        self._guess(outbound, greeting)
        return self._draft

    # -- templates ---------------------------------------------------------------------------------------

    def _greeting(self) -> Template | None:
        """The template that opens a call: by its name, the one of the first state before others."""
        found = [t for t in self._in_use if names.GREETING.search(same(t.name)) and not t.ends]
        found.sort(key=lambda t: (bool(t.states), bool(self._ways(t)), t.at))
        greeting = found[0] if found else None
        if greeting is not None:
            home = Home(
                path="greeting", situation=self._situation(greeting, self._ways(greeting)), verbatim=True
            )
            self._draft.homes[greeting.at] = [home]
            self._by_text["", " ".join(greeting.text.split())] = home
            self._draft.greeting = greeting
            self._draft.origins["greeting"] = _origin(greeting.name, greeting.at)
            self._case(greeting, home, [], None)
            for way in self._ways(greeting):
                if way.words is not None:
                    self._draft.lists.setdefault(way.words.at, []).append("greeting")
        return greeting

    def _ways(self, template: Template) -> list[Way]:
        return [
            way for way in self._joined.ways.get(template.at, []) if way.words is None or not way.words.off
        ]

    def _template(self, template: Template) -> None:
        ways = self._ways(template)
        stages = self._stages_of(template, ways)
        general = [way for way in ways if not way.states]
        situation = self._situation(template, ways)
        if len(stages) == 1 and not general:
            self._place(template, ways, situation, stages[0])
            return
        home = self._place(template, general, situation, None)
        for stage in stages:
            inside = [way for way in ways if way.states and stage in self._named_stages(way.states)]
            for way in inside:
                if way.words is not None:
                    self._refer(template, way, way.words, home, stage)

    def _place(self, template: Template, ways: Sequence[Way], situation: str, stage: str | None) -> Home:
        """A guideline of its own, or a part of the one with the same text."""
        key = stage or "", " ".join(template.text.split())
        told = [word for way in ways if way.words is not None for word in way.words.words]
        callers = list(dict.fromkeys(self._variables.text(word) for word in told))
        where, prefix = self._shelf(stage)
        earlier = self._by_text.get(key)
        if earlier is not None and earlier.path == "greeting" and callers:
            earlier = None  # what callers may say in the middle of a call needs a guideline
        if earlier is not None and earlier.path == "greeting":
            home = Home(path="greeting", situation=situation, merged=True, verbatim=True)
        elif earlier is not None:
            line = where[int(earlier.path.rpartition("[")[2].rstrip("]"))]
            line["situation"] = self._joint(line["situation"], self._variables.text(situation))
            line["callers_say"] = list(dict.fromkeys([*line.get("callers_say", []), *callers]))
            home = Home(path=earlier.path, situation=situation, merged=True, verbatim=earlier.verbatim)
        else:
            line = {"situation": self._variables.text(situation), "callers_say": callers}
            line["do"] = self._variables.text(self._deed(template, ways))
            line["example"] = self._variables.text(template.text, template=True)
            if template.verbatim:
                line["verbatim"] = True
            home = Home(path=f"{prefix}[{len(where)}]", situation=situation, verbatim=template.verbatim)
            self._by_text[key] = home
            self._draft.origins[home.path] = _origin(template.name, template.at)
            where.append(line)
        self._draft.homes.setdefault(template.at, []).append(home)
        for way in ways:
            if way.words is not None:
                self._draft.lists.setdefault(way.words.at, []).append(home.path)
        self._case(template, home, ways or self._ways(template), stage)
        return home

    def _refer(self, template: Template, way: Way, listed: KeywordList, home: Home, stage: str) -> None:
        where, prefix = self._shelf(stage)
        next_state = listed.next_state or template.next_state
        line = {
            "situation": self._variables.text(
                self._say.meaning.format(name=words(way.intent or listed.name))
            ),
            "callers_say": [self._variables.text(word) for word in dict.fromkeys(listed.words)],
            "do": self._variables.text(
                self._say.as_elsewhere.format(situation=home.situation) + self._then(next_state)
            ),
        }
        path = f"{prefix}[{len(where)}]"
        self._draft.origins[path] = _origin(listed.name, listed.at)
        self._draft.lists.setdefault(listed.at, []).append(path)
        where.append(line)

    def _aimless(self, listed: KeywordList) -> None:
        """Keywords without an answer still say how callers put something."""
        stages = self._named_stages(listed.states)
        where, prefix = self._shelf(stages[0] if stages else None)
        path = f"{prefix}[{len(where)}]"
        said = " ".join(_sayable(listed.notes)) or self._say.meaning.format(name=words(listed.name))
        where.append(
            {
                "situation": self._variables.text(said),
                "callers_say": [self._variables.text(word) for word in dict.fromkeys(listed.words)],
                "do": self._variables.text(self._say.decide + self._then(listed.next_state)),
            }
        )
        self._draft.origins[path] = _origin(listed.name, listed.at)
        self._draft.lists.setdefault(listed.at, []).append(path)

    # -- what a guideline says ---------------------------------------------------------------------------

    def _situation(self, template: Template, ways: Iterable[Way]) -> str:
        notes = [note for note in _sayable(template.notes) if note != template.text]
        if notes:
            return self._say.joint.join(notes)
        meant = list(dict.fromkeys(words(way.intent) for way in ways if way.intent))
        said = [word for way in ways if way.words is not None for word in way.words.words]
        if said and _UNNAMED.search(template.name):
            return self._say.speaking.format(name=", ".join(said[:3]))
        if meant and same(meant[0]) not in same(template.name):
            return self._say.meaning.format(name=", ".join(meant))
        if template.section:
            return self._say.in_section.format(section=template.section, name=words(template.name))
        return self._say.about.format(name=words(template.name))

    def _deed(self, template: Template, ways: Iterable[Way]) -> str:
        text = self._say.verbatim if template.verbatim else self._say.convey
        if template.hands_over:
            return text + self._say.then_hand_over
        if template.ends:
            return text + self._say.then_end
        following = next((way.words.next_state for way in ways if way.words and way.words.next_state), None)
        return text + self._then(template.next_state or following)

    def _then(self, state: str | None) -> str:
        if not state:
            return ""
        following = self._joined.template_next(state)
        if following is not None:
            return self._say.then_template.format(situation=self._situation(following, self._ways(following)))
        return self._say.then_stage.format(stage=self._joined.stage_name(state))

    def _joint(self, one: str, other: str) -> str:
        return one if other in one else f"{one}{self._say.joint}{other}"

    def _calls(self, tool: str) -> bool:
        wanted = "hands_over" if tool == "request_operator_handoff" else "ends"
        return any(getattr(template, wanted) for template in self._in_use)

    # -- stages --------------------------------------------------------------------------------------------

    def _open_stages(self) -> None:
        """The states that something happens in, in their order; those that end a call are outcomes."""
        rules = self._joined.rules
        busy = [state for listed in rules.keywords if not listed.off for state in listed.states]
        busy += [state for template in self._in_use for state in template.states]
        busy += [state for mapping in rules.mappings for state in mapping.states]
        busy += [m.intent for m in rules.mappings if self._joined.state(m.intent) is not None]
        busy += [step.start for step in rules.transitions]
        led_to = [step.to for step in rules.transitions if self._joined.state(step.to) is not None]
        following = [listed.next_state for listed in rules.keywords if listed.next_state]
        following += [template.next_state for template in self._in_use if template.next_state]
        led_to += [name for name in following if self._joined.template_next(name) is None]
        busy += [name for name in led_to if not self._is_end(name)]
        order = [state.value for state in rules.states] + [self._joined.stage_name(name) for name in busy]
        active = {same(self._joined.stage_name(name)) for name in busy}
        for name in dict.fromkeys(order):
            state = self._joined.state(name)
            if same(name) not in active:
                continue
            stage: dict[str, Any] = {"name": self._variables.text(name)}
            notes = [*_sayable(state.notes), *([state.section] if state.section else [])] if state else []
            if notes:
                stage["description"] = self._variables.text(self._say.joint.join(notes))
            stage["guidelines"] = []
            following = [
                self._joined.stage_name(step.to) + (f" ({words(step.on)})" if step.on else "")
                for step in rules.transitions
                if same(self._joined.stage_name(step.start)) == same(name)
            ]
            if following:
                stage["then"] = list(dict.fromkeys(map(self._variables.text, following)))
            self._draft.stages[same(name)] = f"flow[{len(self._stages)}]"
            self._draft.origins[f"flow[{len(self._stages)}]"] = _origin(name, state.at) if state else name
            self._stages.append(stage)

    def _is_end(self, name: str) -> bool:
        state = self._joined.state(name)
        leaves = any(
            same(self._joined.stage_name(step.start)) == same(name) for step in self._joined.rules.transitions
        )
        spelled = (name, state.key) if state else (name,)
        return not leaves and any(names.CLOSING.search(same(one)) for one in spelled)

    def _named_stages(self, states: Iterable[str]) -> list[str]:
        found = [self._joined.stage_name(name) for name in states]
        return [name for name in dict.fromkeys(found) if same(name) in self._draft.stages]

    def _stages_of(self, template: Template, ways: Iterable[Way]) -> list[str]:
        listed = [*template.states, *(state for way in ways for state in way.states)]
        return self._named_stages(listed)

    def _shelf(self, stage: str | None) -> tuple[list[dict[str, Any]], str]:
        """The list of guidelines for a stage, and its path."""
        if stage is None:
            return self._guidelines, "guidelines"
        path = self._draft.stages[same(stage)]
        return self._stages[int(path[5:-1])]["guidelines"], f"{path}.guidelines"

    # -- facts, goals, outcomes, name ----------------------------------------------------------------------------

    def _facts(self) -> list[str]:
        """Values that no template inserts are still what the business wants known."""
        told = []
        for variable in self._joined.rules.variables:
            if variable.name not in self._variables.used and variable.value.strip():
                self._draft.facts.add(variable.at)
                told.append(self._variables.text(f"{words(variable.name)}: {variable.value}"))
        return told

    def _goals(self) -> list[dict[str, Any]]:
        slots: list[dict[str, Any]] = []
        for need in self._joined.rules.required:
            if self._joined.named(need.name) or self._joined.is_of_templates(need):
                continue
            if need.name in self._variables.used and need.name not in self._variables.without_value:
                continue  # a variable that has its value: nothing to find out
            slot = slot_of(need.name, taken={slot["name"] for slot in slots}, notes=_sayable(need.notes))
            known = next((one for one in slots if one["description"] == slot["description"]), None)
            if known is None:
                slots.append(
                    {key: self._variables.text(v) if key == "description" else v for key, v in slot.items()}
                )
            place = next(
                i for i, one in enumerate(slots) if one is known or (known is None and one is slots[-1])
            )
            self._draft.slots[need.at] = f"goals[0].slots[{place}]"
        if not slots:
            return []
        return [{"id": "required_information", "description": self._say.goal, "slots": slots}]

    def _outcomes(self) -> list[dict[str, Any]]:
        outcomes: list[dict[str, Any]] = []

        def add(name: str, what: str, at: Place) -> None:
            plain = re.sub(r"[^a-z0-9_]+", "_", same(name.rpartition(".")[2])).strip("_")
            wanted = plain if re.match(r"[a-z]", plain) else f"ending_{len(outcomes) + 1}"
            taken = [one["id"] for one in outcomes]
            number = next(n for n in range(1, len(taken) + 2) if _numbered(wanted, n) not in taken)
            self._draft.outcomes[at] = f"outcomes[{len(outcomes)}]"
            text = self._variables.text(self._say.outcome.format(what=what))
            outcomes.append({"id": _numbered(wanted, number), "description": text})

        for template in self._in_use:
            if template.ends:
                add(template.name, self._situation(template, self._ways(template)), template.at)
        for state in self._joined.rules.states:
            if not self._is_end(state.value) or same(state.value) in self._draft.stages:
                continue
            known = next((i for i, one in enumerate(outcomes) if one["id"] == same(state.value)), None)
            if known is not None:
                self._draft.outcomes[state.at] = f"outcomes[{known}]"
            else:
                add(state.value, self._say.joint.join(_sayable(state.notes)) or words(state.value), state.at)
        return outcomes

    def _name(self) -> None:
        known = next((name for name in _COMPANY if name in self._variables.used), None)
        if known is not None:
            self._draft.document["name"] = f"{{{{{known}}}}}"

    # -- cases and guesses --------------------------------------------------------------------------------

    def _case(self, template: Template, home: Home, ways: Sequence[Way], stage: str | None) -> None:
        said = [word for way in ways if way.words is not None for word in way.words.words]
        conveys = self._variables.text(template.text, template=True)
        tools = ["request_operator_handoff"] if template.hands_over else ["end_call"] if template.ends else []
        states = f"@{'+'.join(template.states)}" if template.states else ""
        self._draft.cases.append(
            Case(
                id=f"{template.name}{states}", stage=stage, situation=self._variables.text(home.situation),
                says=tuple(map(self._variables.text, dict.fromkeys(said))), conveys=conveys,
                mentions=mentions(re.sub(r"\{\{[^{}]*\}\}", " ", conveys)),
                verbatim=template.verbatim or home.path == "greeting", tools=tuple(tools),
            )
        )  # fmt: skip

    def _guess(self, outbound: bool, greeting: Template | None) -> None:
        guesses = self._draft.guesses
        document = self._draft.document
        guesses.append(
            f"language {document['language']}, time zone {document['timezone']}, region {document['region']} and "
            f"direction {document['direction']} were guessed from the texts"
        )
        if greeting is None:
            guesses.append("no template is named as a greeting: the agent greets in its own words")
        else:
            guesses.append(f"the template {greeting.name!r} became the greeting, which is said word for word")
        guesses += [
            f"the variable {name} has no value in the file: give it one under [variables]"
            for name in self._variables.without_value
        ]
        for tool in document.get("tools", []):
            of = "handing over" if tool == "request_operator_handoff" else "ending"
            guesses.append(f"the tool {tool} was added because of templates that sound like {of} a call")
        if outbound:
            guesses.append(
                "the texts sound like calls made by the business: read the greeting with that in mind"
            )


def _sayable(notes: Iterable[str]) -> list[str]:
    """Comments that tell a situation; not those that tell the old file's keepers what to do."""
    keepers = (names.VERBATIM_NOTE, names.OUT_OF_USE, names.OPEN_POINT)
    return list(dict.fromkeys(note for note in notes if not any(hint.search(note) for hint in keepers)))


def _origin(name: str, at: Place) -> str:
    return f"{' '.join(name.split())}, line {at.line}"


def _numbered(name: str, number: int) -> str:
    ending = f"_{number}" if number > 1 else ""
    return name[: 64 - len(ending)] + ending
