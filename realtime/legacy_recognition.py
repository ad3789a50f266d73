"""From values to rules: which table holds templates, which keywords, which mappings, which states.

Tables are told by what is in them first, by their names second.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from realtime import legacy_names as names
from realtime.legacy_names import same
from realtime.legacy_parts import Parts, strings
from realtime.legacy_rules import (
    KeywordList,
    Mapping,
    Named,
    Rules,
    State,
    Template,
    Transition,
    placeholders,
)
from realtime.legacy_values import (
    Entry,
    Flag,
    Group,
    Number,
    Pattern,
    Place,
    Source,
    Text,
    Unknown,
    Value,
    written,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    """Where in the tables a value stands."""

    path: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    section: str | None = None

    @property
    def table(self) -> str:
        return self.path[0] if self.path else ""

    def hinted(self, hint: re.Pattern[str]) -> bool:
        """Whether a name on the way here says so; the nearest does not have to be the one."""
        return any(hint.search(same(name)) for name in self.path)

    def last(self, hint: re.Pattern[str]) -> bool:
        return bool(self.path) and hint.search(same(self.path[-1])) is not None


def recognise(source: Source) -> Rules:
    """The rules in a file's values."""
    reader = _Recogniser()
    tables = [one for table in source.tables for one in reader.opened(table)]
    for table in tables:
        reader.find_states(table.key, table.value)
    for table in tables:
        reader.read(table, _Here())
    reader.settle()
    return reader.rules


class _Recogniser:
    def __init__(self) -> None:
        self.rules = Rules()
        self._state_names: set[str] = set()
        self._seen: set[tuple[str, Place]] = set()
        # Decided once all templates are known: bare names may be targets, and lists of them needs.
        self._bare: list[tuple[Named, _Here]] = []
        self._lists: list[tuple[list[Text], _Here, Place]] = []

    def opened(self, table: Entry) -> list[Entry]:
        """The tables that an export without a name holds, each by its own name; else the table."""
        if (
            table.key
            or not isinstance(table.value, Group)
            or table.value.is_list
            or self._is_rule(table.value)
        ):
            return [table]
        own = [
            entry
            for entry in table.value.entries
            if isinstance(entry.value, Group) and any(hint.search(same(entry.key)) for hint in _TABLE_NAMES)
        ]
        rest = tuple(entry for entry in table.value.entries if entry not in own)
        return [*own, *([replace(table, value=replace(table.value, entries=rest))] if rest else [])]

    # -- states first: other tables are keyed by them ----------------------------------------------------

    def find_states(self, name: str, value: Value) -> None:
        """Enumerations of states, however deep they stand."""
        if not isinstance(value, Group) or self._is_rule(value):
            return  # in a rule, `states` says when it is active
        here = _Here(path=(name,))
        if here.last(names.STATE_TABLE) and _is_enumeration(value):
            for entry in value.entries:
                key = written(entry.value) if value.is_list else entry.key
                state = State(
                    key=key,
                    value=written(entry.value),
                    at=entry.at,
                    notes=entry.comments,
                    section=entry.section,
                )
                self.rules.states.append(state)
                self._state_names |= {same(state.key), same(state.value)}
            return
        for entry in value.entries:
            self.find_states(entry.key, entry.value)

    def _is_state(self, name: str) -> bool:
        return same(name) in self._state_names

    # -- values ------------------------------------------------------------------------------------------

    def read(self, entry: Entry, here: _Here) -> None:
        """One member of a table, with its comments."""
        inside = replace(
            here,
            path=(*here.path, entry.key),
            notes=entry.comments,
            section=entry.section or here.section,
        )
        value = entry.value
        if isinstance(value, Group):
            self._group(value, inside, entry.at)
        else:
            self._single(value, inside, entry.at)

    def _single(self, value: Value, here: _Here, at: Place) -> None:
        named = Named(
            table=here.table,
            name=".".join(filter(None, here.path)),
            value=written(value),
            at=at,
            notes=here.notes,
        )
        match value:
            case Text() if here.hinted(names.VARIABLE_TABLE):
                self.rules.variables.append(replace(named, name=here.path[-1]))
            case Text() if value.value and (
                names.is_sentence(value.value)
                or (here.hinted(names.RESPONSE_TABLE) and not names.is_reference(value.value))
            ):
                self._template(value, here, at)
            case Text():
                self._bare.append((named, here))
            case Pattern():
                self._keyword_list(here, at, [value])
            case Unknown():
                self.rules.unknown.append(replace(named, notes=(*here.notes, value.why)))
            case _:
                self.rules.settings.append(named)

    def _group(self, group: Group, here: _Here, at: Place) -> None:
        if here.path and here.last(names.STATE_TABLE) and _is_enumeration(group):
            return  # read by find_states
        if group.is_list:
            self._list(group, here, at)
        elif self._is_rule(group):
            self._rule(group, here, at)
        elif here.last(names.TRANSITION_TABLE) and not _has_sentences(group):
            self._transitions(group, here)
        elif self._is_keyed_by_states(group, here):
            for entry in group.entries:
                self.read(entry, replace(here, states=(entry.key,)))
        elif here.hinted(names.MAPPING_TABLE) and _are_names(group):
            for entry in group.entries:
                self._mapping(entry, here)
        else:
            for entry in group.entries:
                self.read(entry, here)

    def _is_keyed_by_states(self, group: Group, here: _Here) -> bool:
        if any(isinstance(e.value, Group) and self._is_rule(e.value) for e in group.entries):
            return here.hinted(names.OF_STATES) and any(self._is_state(e.key) for e in group.entries)
        known = [entry for entry in group.entries if self._is_state(entry.key)]
        groups = [entry for entry in group.entries if isinstance(entry.value, Group)]
        return bool(known) and len(groups) * 2 >= len(group.entries) and len(known) * 2 >= len(group.entries)

    def _list(self, group: Group, here: _Here, at: Place) -> None:
        if here.last(names.TRANSITION_TABLE) and all(
            self._transition(entry, here) for entry in group.entries
        ):
            return
        rules = [
            entry for entry in group.entries if isinstance(entry.value, Group) and not entry.value.is_list
        ]
        plain = [entry.value for entry in group.entries if isinstance(entry.value, Text)]
        patterns = [entry.value for entry in group.entries if isinstance(entry.value, Pattern)]
        rest = [entry for entry in group.entries if isinstance(entry.value, Unknown | Number | Flag)]
        for entry in [
            *rules,
            *(e for e in group.entries if isinstance(e.value, Group) and e.value.is_list),
            *rest,
        ]:
            self.read(entry, here)
        if patterns:
            self._keyword_list(here, at, [*plain, *patterns])
        elif plain:
            self._lists.append((plain, here, at))

    # -- rules written as objects --------------------------------------------------------------------------

    def _is_rule(self, group: Group) -> bool:
        keys = {same(entry.key): entry.value for entry in group.entries}
        said = [value for key, value in keys.items() if key in names.TEXTS and _says(value)]
        heard = [value for key, value in keys.items() if key in names.KEYWORDS and _is_words(value)]
        # A category may be called "answers": what holds tables is one, unless words stand beside them.
        return bool(said or heard) and not any(
            isinstance(value, Group) and not value.is_list and key not in names.NEEDS | names.SITUATIONS
            for key, value in keys.items()
            if key not in names.TEXTS | names.KEYWORDS and isinstance(value, Group) and self._is_rule(value)
        )

    def _rule(self, group: Group, here: _Here, at: Place) -> None:
        parts = Parts(group)
        if here.path[-1].isdigit():
            own = parts.name or f"rule {here.path[-1]}"
            here = replace(here, path=(*here.path[:-1], own))
        elif parts.name and same(parts.name) != same(here.path[-1]):
            here = replace(here, notes=(*here.notes, parts.name))
        if parts.category:
            here = replace(here, path=(*here.path[:-1], parts.category, here.path[-1]))
        here = replace(
            here,
            notes=(*here.notes, *parts.notes),
            states=tuple(dict.fromkeys((*here.states, *parts.states))),
        )
        target: str | None = None
        texts = parts.texts
        if texts and names.is_reference(texts[0].value) and not texts[0].value.istitle():
            target, texts = texts[0].value, texts[1:]
        if texts:
            self._template(texts[0], here, at, parts, variants=tuple(text.value for text in texts[1:]))
            target = _name(here)
        if parts.words or not texts:
            self._keyword_list(here, at, parts.words, parts, target)
        for need in parts.needs:
            named = Named(table=_name(here), name=need.value, value=need.value, at=need.at)
            self.rules.required.append(named)
        for key, value in parts.rest:
            if isinstance(value, Group):
                self._group(value, replace(here, path=(*here.path, key)), value.at)
            else:
                self._single_setting(key, value, here)

    def _single_setting(self, key: str, value: Value, here: _Here) -> None:
        name = f"{_name(here)}.{key}"
        if isinstance(value, Text) and names.is_sentence(value.value):
            self._template(value, replace(here, path=(*here.path, key)), value.at)
        elif isinstance(value, Unknown):
            unknown = Named(
                table=here.table, name=name, value=written(value), at=value.at, notes=(value.why,)
            )
            self.rules.unknown.append(unknown)
        else:
            self.rules.settings.append(Named(table=here.table, name=name, value=written(value), at=value.at))

    # -- results -------------------------------------------------------------------------------------------

    def _template(
        self, text: Text, here: _Here, at: Place, parts: Parts | None = None, variants: tuple[str, ...] = ()
    ) -> None:
        if self._is_repeated("template", here, at):
            return
        notes = " ".join((*here.notes, here.section or ""))
        marked = names.VERBATIM_NOTE.search(notes) is not None and not names.NEGATED_VERBATIM.search(notes)
        name = _name(here)
        handing = names.HANDOFF.search(same(here.path[-1])) is not None
        next_state = parts.next_state if parts else None
        closing = names.CLOSING.search(same(here.path[-1])) is not None
        self.rules.templates.append(
            Template(
                name=name, text=text.value, at=at, notes=here.notes, section=here.section, variants=variants,
                states=here.states, next_state=next_state,
                ends=(parts.ends if parts and parts.ends is not None else closing),
                hands_over=(parts.hands_over if parts and parts.hands_over is not None else handing),
                guessed=handing and (parts is None or parts.hands_over is None),
                verbatim=(parts.verbatim if parts and parts.verbatim is not None else marked),
                off=(parts.off if parts else False) or names.OUT_OF_USE.search(" ".join(here.notes)) is not None,
            )
        )  # fmt: skip

    def _keyword_list(
        self, here: _Here, at: Place, words: Sequence[Text | Pattern], parts: Parts | None = None,
        target: str | None = None,
    ) -> None:  # fmt: skip
        if self._is_repeated("keywords", here, at):
            return
        plain = [word.value for word in words if isinstance(word, Text)]
        patterns = [word.source for word in words if isinstance(word, Pattern)]
        alternatives = [found for pattern in patterns for found in _alternatives(pattern)]
        self.rules.keywords.append(
            KeywordList(
                name=_name(here), words=(*plain, *alternatives), at=at, patterns=tuple(patterns),
                states=here.states, next_state=parts.next_state if parts else None, target=target,
                notes=here.notes, weights=tuple(parts.weights) if parts else (),
                off=(parts.off if parts else False) or names.OUT_OF_USE.search(" ".join(here.notes)) is not None,
            )
        )  # fmt: skip

    def _mapping(self, entry: Entry, here: _Here) -> None:
        mapping = Mapping(
            table=".".join(filter(None, here.path)), intent=entry.key, target=written(entry.value), at=entry.at,
            states=here.states, notes=entry.comments,
        )  # fmt: skip
        self.rules.mappings.append(mapping)

    def _transitions(self, group: Group, here: _Here) -> None:
        table = ".".join(filter(None, here.path))
        for entry in group.entries:
            members = entry.value.entries if isinstance(entry.value, Group) else (entry,)
            for member in members:
                if not isinstance(member.value, Text):
                    self.read(member, replace(here, path=(*here.path, entry.key)))
                    continue
                listed = not isinstance(entry.value, Group) or entry.value.is_list
                on = None if listed else member.key
                self.rules.transitions.append(
                    Transition(table=table, start=entry.key, on=on, to=member.value.value, at=member.at)
                )

    def _transition(self, entry: Entry, here: _Here) -> bool:
        """`{from: …, to: …, on: …}`."""
        if not isinstance(entry.value, Group):
            return False
        ends: dict[str, str] = {}
        for member in entry.value.entries:
            for end, keys in (("from", names.FROM), ("to", names.TO), ("on", names.CAUSE)):
                if same(member.key) in keys and isinstance(member.value, Text):
                    ends.setdefault(end, member.value.value)
        if "from" not in ends or "to" not in ends:
            return False
        table = ".".join(filter(None, here.path))
        self.rules.transitions.append(
            Transition(table=table, start=ends["from"], on=ends.get("on"), to=ends["to"], at=entry.at)
        )
        return True

    def _is_repeated(self, kind: str, here: _Here, at: Place) -> bool:
        """Whether a table that is inserted in two places has brought this entry already."""
        key = (f"{kind} {here.states} {here.path[-1:]}", at)
        if key in self._seen:
            return True
        self._seen.add(key)
        return False

    # -- what needs all templates to be known --------------------------------------------------------------

    def settle(self) -> None:
        """Decide what bare names and lists of strings are."""
        known = {same(template.name) for template in self.rules.templates}
        known |= {same(name.rpartition(".")[2]) for name in known}
        used = {name for template in self.rules.templates for name in placeholders(template.text)}
        for plain, here, at in self._lists:
            self._settle_list(plain, here, at, known)
        for named, here in self._bare:
            self._settle_bare(named, here, known, used)

    def _settle_list(self, plain: list[Text], here: _Here, at: Place, known: set[str]) -> None:
        are_names = all(names.is_reference(text.value) for text in plain)
        sentences = sum(names.is_sentence(text.value) for text in plain)
        pointing = sum(same(text.value) in known for text in plain)
        if are_names and (
            here.hinted(names.MAPPING_TABLE)
            or (here.states and pointing * 2 > len(plain) and not here.hinted(names.KEYWORD_TABLE))
        ):
            for text in plain:
                self._mapping(Entry(key=here.path[-1], value=text, at=text.at), here)
        elif here.last(names.REQUIRED_LIST) or (
            are_names and pointing * 2 > len(plain) and not here.hinted(names.KEYWORD_TABLE)
        ):
            table = ".".join(filter(None, here.path))
            for text in plain:
                self.rules.required.append(Named(table=table, name=text.value, value=text.value, at=text.at))
        elif not here.hinted(names.KEYWORD_TABLE) and (
            sentences * 2 > len(plain) or (here.hinted(names.RESPONSE_TABLE) and not are_names)
        ):
            self._template(plain[0], here, at, variants=tuple(text.value for text in plain[1:]))
        else:
            self._keyword_list(here, at, plain)

    def _settle_bare(self, named: Named, here: _Here, known: set[str], used: set[str]) -> None:
        last = here.path[-1]
        if same(named.value) in known or (
            here.hinted(names.MAPPING_TABLE) and names.is_reference(named.value)
        ):
            self.rules.mappings.append(
                Mapping(
                    table=".".join(filter(None, here.path[:-1])), intent=last, target=named.value, at=named.at,
                    states=here.states, notes=here.notes,
                )
            )  # fmt: skip
        elif last in used:
            self.rules.variables.append(replace(named, name=last))
        elif here.hinted(names.RESPONSE_TABLE) and named.value and not names.is_reference(named.value):
            self._template(Text(value=named.value, at=named.at), here, named.at)
        elif here.hinted(names.KEYWORD_TABLE) and named.value:
            self._keyword_list(here, named.at, [Text(value=named.value, at=named.at)])
        else:
            self.rules.settings.append(named)


_TABLE_NAMES = (
    names.STATE_TABLE, names.TRANSITION_TABLE, names.VARIABLE_TABLE, names.MAPPING_TABLE, names.REQUIRED_LIST,
    names.KEYWORD_TABLE, names.RESPONSE_TABLE,
)  # fmt: skip


def _name(here: _Here) -> str:
    """An entry's own name: its path without the table, and without the state it stands under."""
    path = [step for step in here.path[1:] if step not in here.states]
    while len(path) > 1 and same(path[0]) in names.CONTAINERS:
        path = path[1:]
    path = path or list(here.path[-1:])
    return ".".join(path)


def _says(value: Value) -> bool:
    return strings(value) is not None and not isinstance(value, Pattern)


def _is_words(value: Value) -> bool:
    return strings(value) is not None


def _is_enumeration(group: Group) -> bool:
    return bool(group.entries) and all(
        isinstance(entry.value, Number) or (isinstance(entry.value, Text) and len(entry.value.value) <= 40)
        for entry in group.entries
    )


def _are_names(group: Group) -> bool:
    found = [entry.value for entry in group.entries if isinstance(entry.value, Text)]
    return (
        bool(found)
        and len(found) == len(group.entries)
        and not any(names.is_sentence(t.value) for t in found)
    )


def _has_sentences(group: Group) -> bool:
    return any(
        names.is_sentence(entry.value.value) if isinstance(entry.value, Text)
        else isinstance(entry.value, Group) and _has_sentences(entry.value)
        for entry in group.entries
    )  # fmt: skip


def _alternatives(pattern: str) -> list[str]:
    """`/^(予約|よやく)/` as its words; nothing where it is more than a choice of words."""
    bare = re.sub(r"^\^|\$$", "", pattern)
    bare = re.sub(r"^\((?:\?:)?(.*)\)$", r"\1", bare)
    return [] if re.search(r"[\\^$.*+?()\[\]{}]", bare) else [word for word in bare.split("|") if word]
