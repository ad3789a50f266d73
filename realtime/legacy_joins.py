"""Rules joined by their names, as the old engine joined them: which words lead to which template in which state.

On the way everything is named that does not fit: names that lead nowhere, entries that stand twice, entries that
contradict one another. The later of two entries with one key counts, as it does in JavaScript.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from realtime.legacy_names import FALLBACK, GREETING, LOCALES, same
from realtime.legacy_rules import KeywordList, Mapping, Named, Rules, State, Template
from realtime.legacy_values import Place


class Trouble(Enum):
    """What may be wrong with an entry."""

    DANGLING = "dangling"  # it names what is not there
    DUPLICATE = "duplicate"  # the same, twice
    CONTRADICTION = "contradiction"  # two entries that cannot both hold
    UNREACHED = "unreached"  # nothing leads to it


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One trouble, in words."""

    trouble: Trouble
    kind: str  # of the entry: template, keywords, mapping, state, transition, required
    at: Place
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to a template: callers put it so, in these states (none: in any)."""

    words: KeywordList | None
    intent: str
    states: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Joined:
    """The rules with their ways; `replaced` templates have a later entry of the same key."""

    rules: Rules
    templates: list[Template] = field(default_factory=list)
    replaced: list[Template] = field(default_factory=list)
    ways: dict[Place, list[Way]] = field(default_factory=dict)  # by the template's place
    aimless: list[KeywordList] = field(default_factory=list)  # lists that lead to no template
    unmapped: list[Mapping] = field(default_factory=list)  # mappings that lead to no template
    findings: list[Finding] = field(default_factory=list)
    _found: set[Finding] = field(default_factory=set)
    _index: dict[str, list[Template]] = field(default_factory=dict)

    def state(self, name: str) -> State | None:
        """The declared state that a table means by this name."""
        wanted = same(name)
        return next((s for s in self.rules.states if wanted in (same(s.value), same(s.key))), None)

    def stage_name(self, name: str) -> str:
        """What a state is called in the agent document."""
        state = self.state(name)
        return state.value if state is not None else name

    def named(self, name: str, states: Iterable[str] = ()) -> list[Template]:
        """The templates of that name which are in force in one of these states."""
        wanted = same(name)
        found = self._by_name().get(wanted) or self._by_name().get(f".{wanted}", [])
        found = found or [t for t in self.templates if _is_translation(t.name, wanted)]
        return [t for t in found if self.overlap(t.states, states)]

    def _by_name(self) -> dict[str, list[Template]]:
        """The templates by their whole name and, with a dot before it, by its last part."""
        if not self._index:
            index: dict[str, list[Template]] = defaultdict(list)
            for template in self.templates:
                index[same(template.name)].append(template)
                index["." + same(template.name.rpartition(".")[2])].append(template)
            self._index = dict(index)
        return self._index

    def template_next(self, name: str) -> Template | None:
        """The template that a "next" means, where it means a template and not a state."""
        return None if self.state(name) is not None else next(iter(self.named(name)), None)

    def overlap(self, some: Iterable[str], others: Iterable[str]) -> bool:
        """Whether two sets of states can hold at once; an empty one holds always."""
        one, two = ({same(self.stage_name(name)) for name in names} for names in (some, others))
        return not one or not two or bool(one & two)

    def is_of_templates(self, need: Named) -> bool:
        """Whether a list of required names speaks of templates; else it speaks of what is to be found out."""
        listed = [other for other in self.rules.required if other.table == need.table]
        known = sum(bool(self.named(other.name)) for other in listed)
        return known * 2 > len(listed) or (known > 0 and "template" in same(need.table))

    def find(self, trouble: Trouble, kind: str, at: Place, text: str) -> None:
        """Add a finding, once."""
        finding = Finding(trouble=trouble, kind=kind, at=at, text=text)
        if finding not in self._found:
            self._found.add(finding)
            self.findings.append(finding)


def _is_translation(name: str, of: str) -> bool:
    """`cancel.ja` is `cancel`, in one language."""
    whole, _, locale = name.rpartition(".")
    return same(locale) in LOCALES and of in (same(whole), same(whole.rpartition(".")[2]))


def join(rules: Rules) -> Joined:
    """All of it."""
    joined = Joined(rules=rules)
    _keep_the_last(joined)
    _same_wording(joined)
    _ways(joined)
    _same_words(joined)
    _states(joined)
    _required(joined)
    for template in joined.templates if rules.keywords or rules.mappings else ():
        told = same(" ".join((template.name, *template.notes)))
        if GREETING.search(told) or FALLBACK.search(told) or template.off:
            continue  # they come up by themselves
        if not joined.ways.get(template.at) and not template.states:
            text = f"no keyword list, mapping or state leads to the template {template.name!r}"
            joined.find(Trouble.UNREACHED, "template", template.at, text)
    joined.findings.sort(key=lambda finding: finding.at)
    return joined


def _keep_the_last(joined: Joined) -> None:
    last: dict[tuple[str, frozenset[str]], Template] = {}
    for template in joined.rules.templates:
        key = same(template.name), frozenset(map(same, template.states))
        earlier = last.get(key)
        if earlier is not None:
            joined.replaced.append(earlier)
            if earlier.text == template.text:
                text = f"{template.name!r} stands here and at line {earlier.at.line}, with the same text"
                joined.find(Trouble.DUPLICATE, "template", template.at, text)
            else:
                text = f"{template.name!r} has another text at line {earlier.at.line}; the later one was in force"
                joined.find(Trouble.CONTRADICTION, "template", template.at, text)
        last[key] = template
    replaced = {template.at for template in joined.replaced}
    joined.templates = [t for t in joined.rules.templates if t.at not in replaced]


def _same_wording(joined: Joined) -> None:
    first: dict[str, Template] = {}
    for template in joined.templates:
        earlier = first.setdefault(" ".join(template.text.split()), template)
        if earlier is not template:
            text = f"{template.name!r} has the same text as {earlier.name!r} at line {earlier.at.line}"
            joined.find(Trouble.DUPLICATE, "template", template.at, text)


def _ways(joined: Joined) -> None:
    ways: dict[Place, list[Way]] = defaultdict(list)
    used: set[int] = set()
    _contradicting_mappings(joined)
    for mapping in joined.rules.mappings:
        targets = joined.named(mapping.target, mapping.states)
        if not targets:
            joined.unmapped.append(mapping)
            text = f"{mapping.table}: {mapping.intent!r} leads to {mapping.target!r}, and there is no such template"
            joined.find(Trouble.DANGLING, "mapping", mapping.at, text)
        lists: list[KeywordList | None] = [
            words
            for words in joined.rules.keywords
            if _is_called(words, mapping.intent) and joined.overlap(words.states, mapping.states)
        ]
        used |= {id(words) for words in lists}
        if (
            not lists
            and joined.rules.keywords
            and joined.state(mapping.intent) is None
            and not mapping.states
        ):
            text = f"{mapping.table}: there is no keyword list for {mapping.intent!r}"
            joined.find(Trouble.DANGLING, "mapping", mapping.at, text)
        for template in targets:
            if joined.state(mapping.intent) is not None and not lists:
                ways[template.at].append(Way(words=None, intent="", states=(mapping.intent,)))
            for words in lists or [None]:
                if words is None and joined.state(mapping.intent) is None:
                    ways[template.at].append(Way(words=None, intent=mapping.intent, states=mapping.states))
                elif words is not None:
                    states = mapping.states or words.states
                    ways[template.at].append(Way(words=words, intent=mapping.intent, states=states))
    for words in joined.rules.keywords:
        targets = joined.named(words.target or words.name, words.states)
        if words.target and not targets:
            text = f"the keywords {words.name!r} lead to {words.target!r}, and there is no such template"
            joined.find(Trouble.DANGLING, "keywords", words.at, text)
        for template in targets:
            if not any(way.words is words for way in ways[template.at]):
                ways[template.at].append(Way(words=words, intent=words.name, states=words.states))
        if not targets and id(words) not in used:
            joined.aimless.append(words)
            if not words.target:
                where = f" in {', '.join(words.states)}" if words.states else ""
                text = f"the keywords {words.name!r}{where} lead to no template"
                joined.find(Trouble.DANGLING, "keywords", words.at, text)
    joined.ways = dict(ways)


def _is_called(words: KeywordList, intent: str) -> bool:
    return same(intent) in (same(words.name), same(words.name.rpartition(".")[2]))


def _contradicting_mappings(joined: Joined) -> None:
    first: dict[tuple[str, frozenset[str]], Mapping] = {}
    for mapping in joined.rules.mappings:
        if joined.state(mapping.intent) is not None:
            continue  # a state may lead to many
        key = same(mapping.intent), frozenset(map(same, mapping.states))
        earlier = first.setdefault(key, mapping)
        if earlier is mapping:
            continue
        if same(earlier.target) == same(mapping.target):
            text = f"{mapping.intent!r} → {mapping.target!r} stands here and at line {earlier.at.line}"
            joined.find(Trouble.DUPLICATE, "mapping", mapping.at, text)
        else:
            text = f"{mapping.intent!r} leads to {mapping.target!r} here and to {earlier.target!r} at line "
            joined.find(Trouble.CONTRADICTION, "mapping", mapping.at, f"{text}{earlier.at.line}")


def _same_words(joined: Joined) -> None:
    """One word in two lists that are active together; one word twice in one list."""
    holders: dict[str, list[KeywordList]] = defaultdict(list)
    reached: dict[int, set[str]] = defaultdict(set)
    for template in joined.templates:
        for way in joined.ways.get(template.at, []):
            if way.words is not None:
                reached[id(way.words)].add(template.text)
    for words in joined.rules.keywords:
        seen: set[str] = set()
        for word in words.words:
            if same(word) in seen:
                joined.find(
                    Trouble.DUPLICATE,
                    "keywords",
                    words.at,
                    f"{word!r} stands twice in the keywords {words.name!r}",
                )
                continue
            seen.add(same(word))
            for other in holders[same(word)]:
                if not joined.overlap(words.states, other.states):
                    continue
                if same(other.name) == same(words.name) and (not words.states) != (not other.states):
                    continue  # the state's own list of the same name
                text = (
                    f"{word!r} stands for {words.name!r} here and for {other.name!r} at line {other.at.line}"
                )
                if reached[id(words)] and reached[id(words)] == reached[id(other)]:
                    joined.find(Trouble.DUPLICATE, "keywords", words.at, f"{text}, with the same answer")
                else:
                    joined.find(
                        Trouble.CONTRADICTION, "keywords", words.at, f"{text}, and both can be active"
                    )
                break  # one is enough to look at: a word in a hundred lists is not five thousand findings
            holders[same(word)].append(words)


def _states(joined: Joined) -> None:
    if not joined.rules.states:
        return
    named: list[tuple[str, str, Place, str]] = []
    for words in joined.rules.keywords:
        named += [(state, "keywords", words.at, f"the keywords {words.name!r}") for state in words.states]
        if words.next_state and joined.template_next(words.next_state) is None:
            named.append((words.next_state, "keywords", words.at, f"the keywords {words.name!r}"))
    for template in joined.rules.templates:
        named += [
            (state, "template", template.at, f"the template {template.name!r}") for state in template.states
        ]
        if template.next_state and joined.template_next(template.next_state) is None:
            named.append((template.next_state, "template", template.at, f"the template {template.name!r}"))
    for step in joined.rules.transitions:
        named += [(name, "transition", step.at, step.table) for name in (step.start, step.to)]
    for mapping in joined.rules.mappings:
        named += [(state, "mapping", mapping.at, mapping.table) for state in mapping.states]
    for name, kind, at, who in named:
        if joined.state(name) is None:
            joined.find(Trouble.DANGLING, kind, at, f"{who}: there is no state {name!r}")
    mentioned = {same(joined.stage_name(name)) for name, *_ in named}
    for mapping in joined.rules.mappings:
        mentioned.add(same(joined.stage_name(mapping.intent)))
    for state in joined.rules.states:
        if same(state.value) not in mentioned:
            joined.find(
                Trouble.UNREACHED, "state", state.at, f"nothing in the file uses the state {state.value!r}"
            )


def _required(joined: Joined) -> None:
    for need in joined.rules.required:
        if joined.is_of_templates(need) and not joined.named(need.name):
            text = f"{need.table} requires the template {need.name!r}, and there is none"
            joined.find(Trouble.DANGLING, "required", need.at, text)
