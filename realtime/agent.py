"""An agent's document: who answers, how it speaks, what it is for.

The same document is a TOML file and, later, a version in the database. Parsing is strict: an unknown key is
an error that names the nearest known one, because a misspelt `instrucions` would otherwise answer the phone.
"""

from __future__ import annotations

import difflib
import hashlib
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal, get_args
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails, PydanticCustomError

from realtime.opening_hours import Hours

SlotType = Literal[
    "text", "name", "date", "time", "datetime", "integer", "choice", "phone", "email", "boolean"
]


REDACTED_KINDS = ("card", "phone", "email")


CustomerField = Literal["name", "phone", "email", "notes", "next_appointment"]


class InvalidAgent(ValueError):
    """The document cannot be used. `problems` has one line a problem: path, what is wrong, what would be right."""

    def __init__(self, source: str, problems: list[str]) -> None:
        super().__init__(source, problems)
        self.source = source
        self.problems = problems

    def __str__(self) -> str:
        count = len(self.problems)
        head = f"{self.source} has {count} problem{'s' if count != 1 else ''}:"
        return "\n  ".join([head, *self.problems])


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Guideline(_Document):
    """What to do in one kind of situation; `verbatim` examples are said word for word.

    `callers_say` shows how callers put it. The model reads these as examples; nothing is matched against them.
    """

    situation: str
    callers_say: list[str] = []
    do: str
    example: str | None = None
    verbatim: bool = False


class Stage(_Document):
    """A part of the conversation, with what holds only in it; `then` says where it usually goes from there."""

    name: str
    description: str = ""
    guidelines: list[Guideline] = []
    then: list[str] = []


class ServerVad(_Document):
    """Turn detection by loudness: the API ends a turn after `silence_duration_ms` without speech."""

    type: Literal["server_vad"] = "server_vad"
    threshold: Annotated[float, Field(ge=0, le=1)] = 0.5
    prefix_padding_ms: Annotated[int, Field(ge=0, le=5000)] = 300
    silence_duration_ms: Annotated[int, Field(ge=100, le=5000)] = 500


class SemanticVad(_Document):
    """Turn detection by meaning: the API waits longer where the sentence sounds unfinished."""

    type: Literal["semantic_vad"] = "semantic_vad"
    eagerness: Literal["low", "medium", "high", "auto"] = "auto"


class Interruption(_Document):
    """When a sound of the caller's stops the agent for good.

    `min_speech_ms` 0: any sound, at once, as the API does it. Otherwise the agent pauses, and goes on if the sound
    was shorter and had no words; the turns are then taken by us, for about one round trip more to each answer.
    """

    min_speech_ms: Annotated[int, Field(ge=0, le=3000)] = 0
    # Sounds that only say "go on"; what may be an answer ("yes", "okay") is none unless the author adds it.
    backchannels: list[str] = ["mm", "mhm", "mm-hm", "mm-hmm", "hm", "hmm", "uh-huh", "うん", "ええ"]


class Slot(_Document):
    """One thing to find out."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    type: SlotType = "text"
    description: str
    required: bool = True
    pattern: str | None = None  # of the whole canonical value
    choices: list[str] | None = None
    range: tuple[int, int] | None = None  # see realtime.slots: numbers, days from today, hours or characters
    confirm: bool = False

    @model_validator(mode="after")
    def _choices_need_a_list(self) -> Slot:
        if self.type == "choice" and not self.choices:
            raise ValueError("a slot of type choice needs `choices`")
        return self

    @field_validator("pattern")
    @classmethod
    def _pattern_compiles(cls, value: str | None) -> str | None:
        try:
            re.compile(value or "")
        except re.error as error:
            raise ValueError(f"not a regular expression: {error}") from error
        return value

    @field_validator("range")
    @classmethod
    def _range_is_one(cls, value: tuple[int, int] | None) -> tuple[int, int] | None:
        if value is not None and value[0] > value[1]:
            raise ValueError(f"the range ends ({value[1]}) before it begins ({value[0]})")
        return value


class Goal(_Document):
    """What the conversation is for."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    description: str
    slots: list[Slot] = []
    on_complete: str | None = None  # what to do then; a tool of the agent's that it names does it


class Outcome(_Document):
    """One thing a call can end as."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    description: str


class Handoff(_Document):
    """When and to whom a person takes over."""

    queue: str = "default"
    reasons: list[str] = []
    hours: str | None = None
    max_wait_s: Annotated[int, Field(ge=1)] = 60


class Limits(_Document):
    """How long a call and its silences may last, in seconds."""

    max_duration_s: Annotated[int, Field(ge=10)] = 1800
    idle_prompt_s: Annotated[int, Field(ge=3)] = 12
    idle_hangup_s: Annotated[int, Field(ge=6)] = 30


class Transcription(_Document):
    """How the caller's words are written down; a separate model from the one that talks."""

    model: str = "gpt-transcribe"
    languages: list[str] = []


class Lookup(_Document):
    """Whose record the agent may read: only the verified caller's, or that of any number said (fewer fields)."""

    scope: Literal["verified", "stated"] = "verified"
    fields: list[CustomerField] = ["name", "next_appointment"]


class Notes(_Document):
    """What the model writes down beside the conversation, unheard; each note is a response that is billed."""

    extraction: bool = True  # after a turn, while slots are missing: what the caller said and nobody recorded
    summary: bool = True  # at the end, for agents with goals or outcomes: a summary, the outcome, the goals


class Recording(_Document):
    """Whether calls are recorded, and what the caller is told before it begins."""

    enabled: bool = False
    notice: str | None = None  # said word for word before anything else; recording begins once it was heard


class Privacy(_Document):
    """How long calls are kept, and what of them is not kept at all."""

    retention_days: Annotated[int, Field(ge=1, le=36_500)] | None = None  # None: for good
    redact: list[str] = []  # card, phone, email, slot:<goal>.<slot> or slot:<slot>; see storage/redaction.py


class Agent(_Document):
    """See the fields; texts may use `{{name}}` for a variable. `version` is set by whoever loads it."""

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]
    name: str
    version: str = "unversioned"
    direction: Literal["inbound", "outbound", "both"] = "inbound"
    language: str = "en"
    variables: dict[str, str] = {}
    personality: str = ""
    tone: str = ""
    instructions: str = ""
    guidelines: list[Guideline] = []
    flow: list[Stage] = []
    greeting: str | None = None
    voice: str = "marin"
    speed: Annotated[float, Field(ge=0.25, le=1.5)] = 1.0
    model: str | None = None
    turn_detection: Annotated[ServerVad | SemanticVad, Field(discriminator="type")] = ServerVad()
    noise_reduction: Literal["near_field", "far_field"] | None = None  # far_field: callers on loudspeakers
    interruption: Interruption = Interruption()
    tools: list[str] = []
    handoff: Handoff = Handoff()
    limits: Limits = Limits()
    timezone: str = "UTC"
    region: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = "US"  # ISO 3166: where numbers without + are from
    opening_hours: str | None = None  # in words; without them the model reads `hours`
    hours: list[Hours] = []  # what bookings are held to; none: any time
    transcription: Transcription = Transcription()
    fallback: list[str] = []
    lookup: Lookup = Lookup()
    notes: Notes = Notes()
    recording: Recording = Recording()
    privacy: Privacy = Privacy()
    goals: list[Goal] = []
    outcomes: list[Outcome] = []

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (
            ZoneInfoNotFoundError,
            ValueError,
            OSError,
        ) as error:  # OSError: the name of a folder of zones
            raise ValueError(
                f"no such time zone: {value!r}; use an IANA name such as Europe/Berlin"
            ) from error
        return value

    @model_validator(mode="after")
    def _variables_are_defined(self) -> Agent:
        problems = _undefined_variables(self.model_dump())
        if problems:
            raise PydanticCustomError(_UNDEFINED, "{problems}", {"problems": "; ".join(problems)})
        return self

    @model_validator(mode="after")
    def _redaction_is_known(self) -> Agent:
        slots = {
            f"slot:{name}"
            for goal in self.goals
            for slot in goal.slots
            for name in (slot.name, f"{goal.id}.{slot.name}")
        }
        unknown = [each for each in self.privacy.redact if each not in REDACTED_KINDS and each not in slots]
        if unknown:  # a misspelt word would keep what nobody wanted kept
            known = [*REDACTED_KINDS, *sorted(slots)]
            raise ValueError(
                "; ".join(
                    f"privacy.redact: {each!r} is neither {', '.join(REDACTED_KINDS)} nor slot:<name of a slot>"
                    f"{_did_you_mean(each, known)}"
                    for each in unknown
                )
            )
        return self

    def say(self, text: str) -> str:
        """`text` with its `{{name}}`s replaced by the agent's variables."""
        return _VARIABLE.sub(lambda found: self.variables[found[1]], text)


_VARIABLE = re.compile(r"\{\{\s*([^{}]*?)\s*\}\}")


_UNDEFINED = "undefined_variable"


def _undefined_variables(document: dict[str, Any]) -> list[str]:
    """One line for each use of a variable that the document does not define."""
    defined = document.get("variables")
    known = list(defined) if isinstance(defined, dict) else []
    return [
        f"{path}: {{{{{name}}}}} is not in variables{_did_you_mean(name, known)}"
        for path, text in _texts(document, "")
        if not path.startswith("variables.")
        for name in dict.fromkeys(_VARIABLE.findall(text))
        if name not in known
    ]


def _texts(value: Any, path: str) -> Iterator[tuple[str, str]]:
    """Every text in a document, with its path."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict):
        for key, member in value.items():
            yield from _texts(member, f"{path}.{key}" if path else str(key))
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _texts(member, f"{path}.{index}")


def parse_agent(text: str, *, source: str) -> Agent:
    """A TOML document → an agent whose `version` is the text's digest.

    Raises InvalidAgent with every problem at once; `source` names the document in the message.
    """
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidAgent(source, [f"not TOML: {error}"]) from error
    digest = hashlib.sha256(text.encode()).hexdigest()[:12]
    return _validated({"version": f"file:{digest}", **document}, source)


def read_agent(document: Mapping[str, Any], *, source: str, version: str) -> Agent:
    """A document's values, as JSON has them, → an agent of this version; a `version` in the document is ignored.

    Raises InvalidAgent with every problem at once.
    """
    return _validated({**document, "version": version}, source)


def _validated(document: dict[str, Any], source: str) -> Agent:
    try:
        return Agent.model_validate(document)
    except ValidationError as error:
        problems = [_problem(detail) for detail in error.errors() if detail["type"] != _UNDEFINED]
        raise InvalidAgent(source, problems + _undefined_variables(document)) from error


def _problem(detail: ErrorDetails) -> str:
    path, siblings = _place(detail["loc"])
    if detail["type"] == "extra_forbidden":
        return f"{path}: unknown key{_did_you_mean(str(detail['loc'][-1]), siblings)}"
    message = detail["msg"].removeprefix("Value error, ")
    return f"{path}: {message}"


def _place(loc: tuple[int | str, ...]) -> tuple[str, list[str]]:
    """(path in the document, the keys that are known there)."""
    model: Any = Agent
    siblings = list(Agent.model_fields)
    path: list[str] = []
    for step in loc:
        if isinstance(step, str) and step in _TURN_DETECTIONS:
            model = _TURN_DETECTIONS[step]  # the tag of a union: not a step of the document
            siblings = list(model.model_fields)
            continue
        path.append(str(step))
        if isinstance(step, int) or model is None:
            continue
        siblings = list(model.model_fields)
        model = _document_of(model.model_fields[step].annotation) if step in model.model_fields else None
    return ".".join(path) or "document", siblings


def _document_of(annotation: Any) -> type[BaseModel] | None:
    """The one model in `Model`, `list[Model]` or `Model | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_document_of, get_args(annotation))), None)


def _did_you_mean(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f", did you mean {near[0]!r}?" if near else ""


_TURN_DETECTIONS: dict[str, type[_Document]] = {"server_vad": ServerVad, "semantic_vad": SemanticVad}
