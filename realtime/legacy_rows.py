"""What became of each entry: the rows of the report, from the rules, the joins and the draft."""

from __future__ import annotations

from collections.abc import Iterator

from realtime import legacy_names as names
from realtime.legacy_agent import Draft
from realtime.legacy_joins import Joined, Trouble
from realtime.legacy_names import same
from realtime.legacy_report import Row, Status
from realtime.legacy_rules import KeywordList, Mapping, Named, Template
from realtime.legacy_values import Place, Source

_WITHOUT_WEIGHTS = "the model understands what is meant without weights"
_NOT_RUN = "code is not run; what it decides must become a guideline, a goal or a tool"


def rows(source: Source, joined: Joined, draft: Draft) -> list[Row]:
    """One row an entry, in the order of the file."""
    return sorted(_Account(source, joined, draft).all(), key=lambda row: row.at)


class _Account:
    def __init__(self, source: Source, joined: Joined, draft: Draft) -> None:
        self._source = source
        self._joined = joined
        self._draft = draft
        self._changed = dict(draft.variables.changed)

    def all(self) -> Iterator[Row]:
        rules = self._joined.rules
        for template in rules.templates:
            yield self._template(template)
        for words in rules.keywords:
            yield self._keywords(words)
        for mapping in rules.mappings:
            yield self._mapping(mapping)
        yield from self._states()
        for need in rules.required:
            yield self._required(need)
        for variable in rules.variables:
            yield self._variable(variable)
        for setting in rules.settings:
            why = "a setting of the old engine" + (
                f"; {_WITHOUT_WEIGHTS}" if _is_number(setting.value) else ""
            )
            yield self._row(
                "setting", setting.name, setting.at, Status.DROPPED, None, [why], (setting.value,)
            )
        for unknown in rules.unknown:
            name = unknown.name or "value"
            yield self._row("code", name, unknown.at, Status.CHECK, None, unknown.notes, (unknown.value,))
        for code in self._source.code:
            yield self._row("code", code.text, code.at, Status.DROPPED, None, [_NOT_RUN])
        for note in self._source.notes:
            yield self._row("code", "resolved", note.at, Status.CHECK, None, [note.text])
        yield from self._comments()

    def _row(
        self, kind: str, name: str, at: Place, status: Status, became: str | None,
        why: list[str] | tuple[str, ...], texts: tuple[str, ...] = (),
    ) -> Row:  # fmt: skip
        found = [finding for finding in self._joined.findings if (finding.kind, finding.at) == (kind, at)]
        grave = (Trouble.DANGLING, Trouble.CONTRADICTION)
        if status is not Status.DROPPED and any(finding.trouble in grave for finding in found):
            status = Status.CHECK
        reasons = dict.fromkeys([*why, *(finding.text for finding in found)])
        return Row(kind=kind, name=name, at=at, status=status, became=became, why=tuple(reasons), texts=texts)

    def _template(self, template: Template) -> Row:
        texts = (template.text, *template.variants)
        if any(template is replaced for replaced in self._joined.replaced):
            why = ["a later entry with the same key was in force"]
            return self._row("template", template.name, template.at, Status.DROPPED, None, why, texts)
        if template.off:
            why = ["it is marked as out of use"]
            if self._joined.ways.get(template.at):
                why.append("keywords or mappings still lead to it")
            return self._row("template", template.name, template.at, Status.DROPPED, None, why, texts)
        homes = self._draft.homes.get(template.at, [])
        why = []
        status = Status.CARRIED
        if homes and homes[0].merged:
            status = Status.MERGED
            why.append("the same text stands in another template")
        if homes and homes[0].verbatim:
            why.append("said word for word")
        if template.variants:
            why.append(f"{len(template.variants)} more wordings are only here: the model varies by itself")
        if any(names.OPEN_POINT.search(note) for note in template.notes):
            status = Status.CHECK
            why.append(f"an open point: {'; '.join(template.notes)}")
        if template.text in self._changed:
            status = Status.CHECK
            why.append("its variables are written as {{name}} now, or a part that is none was taken out")
        if template.guessed:
            status = Status.CHECK
            why.append("by its name it hands the call to a person: is that so?")
        if template.at in self._draft.outcomes:
            why.append(f"it ends the call: {self._draft.outcomes[template.at]}")
        became = homes[0].path if homes else None
        return self._row("template", template.name, template.at, status, became, why, texts)

    def _keywords(self, words: KeywordList) -> Row:
        why = [f"{', '.join(words.weights)}: {_WITHOUT_WEIGHTS}"] if words.weights else []
        texts = tuple(dict.fromkeys((*words.words, *words.patterns)))
        name = f"{words.name} in {', '.join(words.states)}" if words.states else words.name
        paths = list(dict.fromkeys(self._draft.lists.get(words.at, [])))
        if not words.words and not words.patterns:
            return self._row(
                "keywords", name, words.at, Status.DROPPED, None, [*why, "the list is empty"], texts
            )
        if words.off or not paths:
            why.append(
                "it is marked as out of use" if words.off else "it leads only to what is not carried over"
            )
            return self._row("keywords", name, words.at, Status.DROPPED, None, why, texts)
        status = Status.CARRIED
        if paths == ["greeting"]:
            status = Status.MERGED
            why.append("the greeting needs no words that lead to it")
        if any(not _is_choice(pattern, words.words) for pattern in words.patterns):
            status = Status.CHECK
            why.append(
                "a pattern is more than a choice of words: add to callers_say what it was meant to find"
            )
        return self._row("keywords", name, words.at, status, ", ".join(paths), why, texts)

    def _mapping(self, mapping: Mapping) -> Row:
        targets = self._joined.named(mapping.target, mapping.states)
        paths = [home.path for target in targets for home in self._draft.homes.get(target.at, [])]
        name = f"{mapping.table}: {mapping.intent} → {mapping.target}"
        texts = (mapping.target,)
        if not targets:
            why = ["there is no such template: callers who mean it get an answer of the model's own"]
            return self._row("mapping", name, mapping.at, Status.CHECK, None, why, texts)
        if not paths:
            why = ["it leads only to a template that is not carried over"]
            return self._row("mapping", name, mapping.at, Status.DROPPED, None, why, texts)
        why = ["its words stand with the guideline"]
        return self._row(
            "mapping", name, mapping.at, Status.MERGED, ", ".join(dict.fromkeys(paths)), why, texts
        )

    def _states(self) -> Iterator[Row]:
        for state in self._joined.rules.states:
            stage = self._draft.stages.get(same(state.value))
            became = stage or self._draft.outcomes.get(state.at)
            why = ["it ends the conversation"] if became and not stage else []
            status = Status.CARRIED if became else Status.DROPPED
            if not became:
                why = ["nothing happens in it"]
            yield self._row("state", state.key, state.at, status, became, why, (state.value,))
        for step in self._joined.rules.transitions:
            start = self._draft.stages.get(same(self._joined.stage_name(step.start)))
            name = f"{step.start} → {step.to}" + (f" on {step.on}" if step.on else "")
            status = Status.MERGED if start else Status.DROPPED
            became = f"{start}.then" if start else None
            why = [] if start else ["no stage begins there"]
            yield self._row("transition", name, step.at, status, became, why, (step.to,))

    def _required(self, need: Named) -> Row:
        name = f"{need.table}: {need.name}"
        targets = self._joined.named(need.name)
        if targets:
            homes = [home.path for target in targets for home in self._draft.homes.get(target.at, [])]
            status = Status.MERGED if homes else Status.CHECK
            why = ["the template is there"] if homes else ["the template is there, but is not carried over"]
            return self._row(
                "required", name, need.at, status, homes[0] if homes else None, why, (need.name,)
            )
        if self._joined.is_of_templates(need):
            why = ["the template is missing"]
            return self._row("required", name, need.at, Status.CHECK, None, why, (need.name,))
        slot = self._draft.slots.get(need.at)
        if slot is not None:
            return self._row(
                "required", name, need.at, Status.CARRIED, slot, ["to be found out"], (need.name,)
            )
        why = ["it is a variable that has its value"]
        return self._row(
            "required", name, need.at, Status.MERGED, f"variables.{need.name}", why, (need.name,)
        )

    def _variable(self, variable: Named) -> Row:
        texts = (variable.value,)
        if variable.at in self._draft.facts:
            why = ["no template inserts it: told to the agent as a fact"]
            return self._row("variable", variable.name, variable.at, Status.CHECK, "instructions", why, texts)
        if self._draft.variables.used.get(variable.name) == variable.value:
            path = f"variables.{variable.name}"
            return self._row("variable", variable.name, variable.at, Status.CARRIED, path, [], texts)
        why = ["it has no value, or a later entry of the same name was in force"]
        return self._row("variable", variable.name, variable.at, Status.DROPPED, None, why, texts)

    def _comments(self) -> Iterator[Row]:
        told = {
            text for template in self._joined.rules.templates for text in (*template.notes, template.section)
        }
        told |= {text for state in self._joined.rules.states for text in (*state.notes, state.section)}
        told |= {text for words in self._joined.rules.keywords for text in words.notes}
        for comment in self._source.comments:
            if names.OPEN_POINT.search(comment.text):
                status, why = Status.CHECK, "an open point of the old file"
            elif names.VERBATIM_NOTE.search(comment.text) and comment.text in told:
                status, why = Status.MERGED, "it marks an entry as word for word"
            elif comment.text in told:
                status, why = Status.MERGED, "it tells the situation of the entry it stands at"
            else:
                status, why = Status.DROPPED, "it speaks to the keepers of the old file"
            yield self._row("comment", comment.text, comment.at, status, None, [why])


def _is_number(value: str) -> bool:
    return value.replace(".", "", 1).lstrip("-").isdigit()


def _is_choice(pattern: str, words: tuple[str, ...]) -> bool:
    """Whether the words of a pattern are all there as words."""
    return any(word and word in pattern for word in words) and not set(pattern) & set("\\.*+?[]{}")
