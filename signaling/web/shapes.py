"""What the doors say and read in JSON, as types: the same classes encode the answers, check the bodies and
become the schemas of /openapi.json."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from storage.envelope import Envelope
from storage.projection import CallView, SlotView, TranscriptEntry


class _Shape(msgspec.Struct, frozen=True, kw_only=True):
    pass


class CallPage(_Shape, frozen=True, kw_only=True):
    """Calls, newest first."""

    items: list[CallView]
    next: str | None  # cursor of the following page
    incomplete: str | None = None  # why past calls are missing, where they are


class TranscriptPage(_Shape, frozen=True, kw_only=True):
    """What was said, in spoken order."""

    items: list[TranscriptEntry]
    next: str | None = None


class EventPage(_Shape, frozen=True, kw_only=True):
    """Events of one call in order of seq; `next` is the `after=` of the following page."""

    items: list[Envelope]
    next: str | None


class CallMetrics(_Shape, frozen=True, kw_only=True):
    """The figures of one call."""

    call_id: str
    metrics: dict[str, Any]


class Span(_Shape, frozen=True, kw_only=True):
    """A piece of a text, in Unicode code points (not UTF-16 units); `end` is the first that is not in it."""

    start: int
    end: int


class SearchHit(_Shape, frozen=True, kw_only=True):
    """An utterance that a search found."""

    call_id: str
    item_id: str
    position: int  # order of speaking within the call, from 0
    speaker: str
    started_at: str
    snippet: str  # what was heard, around the first hit; "…" where it was cut
    matches: list[Span]  # where the words stand in `snippet`
    agent: str | None
    outcome: str | None


class SearchPage(_Shape, frozen=True, kw_only=True):
    """Hits, newest call first; of one call the last words first."""

    items: list[SearchHit]
    next: str | None  # cursor of the following page


class HungUp(_Shape, frozen=True, kw_only=True):
    """The answer to a DELETE; `ended` False: the call was over already."""

    id: str
    ended: bool


class Agent(_Shape, frozen=True, kw_only=True):
    """An agent that can be called."""

    id: str
    name: str
    language: str
    direction: str
    version: str


class AgentPage(_Shape, frozen=True, kw_only=True):
    """All agents, by id."""

    items: list[Agent]
    next: str | None = None


class DraftSummary(_Shape, frozen=True, kw_only=True):
    """An agent's draft without its document."""

    agent: str
    name: str
    revision: int  # 0: a file that was never saved here
    saved_by: str
    saved_at: str
    published_version: str | None  # "v3"; None: no version, calls are taken by the file if there is one
    changed: bool  # the draft differs from what takes calls


class DraftPage(_Shape, frozen=True, kw_only=True):
    """All agents' drafts, by id."""

    items: list[DraftSummary]
    next: str | None = None


class AgentDraft(DraftSummary, frozen=True, kw_only=True):
    """What would be published next. The ETag header is its revision."""

    document: dict[str, Any]


class AgentVersion(_Shape, frozen=True, kw_only=True):
    """What was published once; never changed."""

    agent: str
    version: str
    note: str
    published_by: str
    published_at: str
    restores: str | None  # the older version that a rollback brought back


class VersionPage(_Shape, frozen=True, kw_only=True):
    """Versions, newest first; `next` is the `cursor=` of the following page."""

    items: list[AgentVersion]
    next: str | None


class Publication(_Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a publication."""

    note: Annotated[str, Meta(max_length=2000)] = ""  # what is new, for the list of versions


class Rollback(_Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a rollback."""

    version: Annotated[str, Meta(pattern=r"^v?[1-9]\d{0,8}$")]  # the one to bring back
    note: Annotated[str, Meta(max_length=2000)] = ""


class Difference(_Shape, frozen=True, kw_only=True):
    """One place where two documents differ."""

    path: str  # "goals[booking].slots[date].type"
    change: Literal["added", "removed", "changed", "reordered"]
    before: Any
    after: Any


class DocumentDiff(_Shape, frozen=True, kw_only=True):
    """How the document `b` differs from `a`."""

    a: str
    b: str
    differences: list[Difference]


class DraftSave(_Shape, frozen=True, kw_only=True):
    """That somebody saved a draft."""

    revision: int
    saved_by: str
    saved_at: str


class Tool(_Shape, frozen=True, kw_only=True):
    """A function that agents may be given; `parameters` is the JSON Schema of its arguments."""

    name: str
    description: str
    parameters: dict[str, Any]
    source: str


class ToolPage(_Shape, frozen=True, kw_only=True):
    """All tools, by name."""

    items: list[Tool]
    next: str | None = None


class SignIn(_Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a sign-in: a token, or a person's name and password."""

    token: Annotated[str, Meta(min_length=1, max_length=8192)] | None = None
    id: Annotated[str, Meta(min_length=1, max_length=64)] | None = None
    password: Annotated[str, Meta(min_length=1, max_length=200)] | None = None


class Session(_Shape, frozen=True, kw_only=True):
    """Who is signed in; `csrf` goes into the X-CSRF header of every POST, PUT, PATCH and DELETE."""

    role: str
    subject: str
    csrf: str | None
    expires_at: str
    name: str | None = None  # what others see; None for a token's holder
    queues: list[str] = []  # whose handoffs may ring here
    language: str | None = None  # of the pages; None: the browser's


class TicketRequest(_Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a call ticket is to vouch for."""

    agent: Annotated[str, Meta(min_length=1, max_length=128)] | None = None  # the only agent it may call
    caller_number: Annotated[str, Meta(pattern=r"^\+[1-9]\d{6,14}$")] | None = None  # E.164
    name: Annotated[str, Meta(max_length=128)] | None = None  # shown in the call list
    metadata: Annotated[dict[str, Annotated[str, Meta(max_length=1024)]], Meta(max_length=16)] = {}
    ttl_s: Annotated[int, Meta(ge=1, le=60)] = 60


class IceServerEntry(_Shape, frozen=True, kw_only=True, omit_defaults=True):
    """An entry of RTCConfiguration.iceServers."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class Ticket(_Shape, frozen=True, kw_only=True):
    """A single-use call ticket."""

    ticket: str
    expires_at: str
    ice_servers: list[IceServerEntry]


class Health(_Shape, frozen=True, kw_only=True):
    """The process is alive."""

    status: str


class ReadinessReport(_Shape, frozen=True, kw_only=True):
    """Whether a new call could be answered; `degraded` names parts that are down while calls still work."""

    ready: bool
    degraded: list[str]
    reasons: list[str]


class FieldProblem(_Shape, frozen=True, kw_only=True):
    """One wrong place in a body."""

    pointer: str
    detail: str


class ProblemDocument(_Shape, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457; `code` is stable."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    fix: str | None = None
    instance: str | None = None
    retry_after_s: int | None = None
    trace_id: str | None = None
    errors: list[FieldProblem] = []
    since: list[DraftSave] = []  # 412: who saved after the revision that was named
    differences: list[Difference] = []  # 412: what they changed


class HandoffEntry(_Shape, frozen=True, kw_only=True):
    """A call that waits for a person, or talks with one."""

    handoff_id: str
    call_id: str
    agent: str | None
    caller: str | None
    state: str  # the second half of the newest handoff event's name
    reason: str | None
    summary: str | None
    method: str | None
    requested_at: str | None
    queue: str | None
    attempt: int  # offers made so far
    offer_id: str | None  # of the offer that is out
    operator: str | None  # whom it is offered to, or who has it
    until: str | None  # when this state ends by itself
    slots: list[SlotView]


class HandoffPage(_Shape, frozen=True, kw_only=True):
    """All that are open."""

    items: list[HandoffEntry]
    next: str | None


class Decline(_Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why not."""

    reason: Annotated[str, Meta(max_length=300)] = ""
    offer_id: str | None = None


class WrapUp(_Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What came of it, as the operator saw it."""

    outcome: Annotated[str, Meta(max_length=100)] | None = None
    notes: Annotated[str, Meta(max_length=4000)] = ""


class OperatorChange(_Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is left out stays as it is."""

    muted: bool | None = None
    hold: bool | None = None


class ReturnNote(_Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the agent should know."""

    note: Annotated[str, Meta(max_length=2000)] = ""


class Whisper(_Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line for the agent."""

    text: Annotated[str, Meta(min_length=1, max_length=2000)]


class Transfer(_Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where to: E.164 or a SIP address."""

    to: Annotated[str, Meta(min_length=1, max_length=256)]


class PresenceState(_Shape, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What one may choose; `wrap_up` comes by itself after a call, and saying it keeps it."""

    state: Literal["available", "busy", "wrap_up", "offline"]


class OperatorEntry(_Shape, frozen=True, kw_only=True):
    """Somebody at the desk."""

    id: str
    name: str
    queues: list[str]
    state: Literal["available", "busy", "wrap_up", "offline"]
    since: str | None
    handoff_id: str | None  # that rings there, or is being talked about
    why: str | None  # why busy, where the desk decided it: not_responding


class OperatorPage(_Shape, frozen=True, kw_only=True):
    """Everybody."""

    items: list[OperatorEntry]
    next: str | None
