/**
 * The calls of the switchboard as the console shows them: the feed's snapshot, then every event folded in.
 *
 * The same folding as storage/projection.py. Pure: each event gives a new board, or the same one where it
 * changes nothing. A call that has ended stays until `prune` takes it away, so that its row can say so.
 */
import type { Envelope, Snapshot, Speaker } from "../shared/envelope";

export interface Slot {
  readonly goal: string;
  readonly slot: string;
  readonly value: unknown;
  readonly confirmed: boolean;
}

export interface Handoff {
  readonly handoff_id: string;
  /** The second half of its newest event's name: requested, queued, offered, accepted, connected, … */
  readonly state: string;
  readonly reason: string | null;
  readonly summary: string | null;
  readonly method: string | null;
  readonly requested_at: string | null;
  readonly offer_id: string | null;
  /** Whom it is offered to, or who has it. */
  readonly operator: string | null;
  readonly until: string | null;
}

export type CallState = "ringing" | "ai" | "waiting" | "human" | "ended";

export interface Call {
  readonly id: string;
  readonly state: CallState;
  readonly agent: string | null;
  readonly agent_version: string | null;
  readonly caller: string | null;
  readonly started_at: string | null;
  readonly answered_at: string | null;
  readonly ended_at: string | null;
  readonly end_reason: string | null;
  readonly slots: readonly Slot[];
  readonly handoff: Handoff | null;
  /** What was said last, for the row of the list. */
  readonly said: { readonly speaker: Speaker; readonly text: string } | null;
  /** People of the desk who speak with caller and agent. */
  readonly barging: readonly string[];
}

export interface Board {
  readonly calls: ReadonlyMap<string, Call>;
  readonly lastSeq: Readonly<Record<string, number>>;
}

export const EMPTY: Board = { calls: new Map(), lastSeq: {} };

/** A person may still come, or is there. */
const OPEN = new Set(["requested", "queued", "offered", "declined", "accepted", "connected", "held", "resumed", "recovering"]);
/** An operator has said yes; the call is theirs or is about to be. */
const TAKEN = new Set(["accepted", "connected", "held", "resumed", "recovering"]);

const STATES: Readonly<Record<string, CallState>> = {
  "call.started": "ringing",
  "call.answered": "ai",
  "handoff.requested": "waiting",
  "handoff.connected": "human",
  "handoff.returned": "ai",
  "handoff.timed_out": "ai",
  "handoff.withdrawn": "ai",
  "handoff.unavailable": "ai",
  "handoff.callback_booked": "ai",
  "operator.joined": "human",
  "operator.left": "ai",
  "call.ended": "ended",
};
const HOLDING = new Set(["handoff.held", "handoff.resumed", "handoff.recovering", "handoff.returned"]);

/** The board of a snapshot. Calls that `before` knows and the snapshot does not have ended unseen. */
export function fromSnapshot(snapshot: Snapshot, before: Board = EMPTY): Board {
  const calls = new Map<string, Call>();
  for (const seen of snapshot.calls as readonly Partial<Call>[]) {
    if (typeof seen.id !== "string") continue;
    const known = before.calls.get(seen.id);
    calls.set(seen.id, { ...blank(seen.id), said: known?.said ?? null, barging: known?.barging ?? [], ...seen });
  }
  for (const [id, call] of before.calls) {
    if (!calls.has(id)) calls.set(id, { ...call, state: "ended" });
  }
  return { calls, lastSeq: snapshot.last_seq };
}

export function receive(board: Board, event: Envelope): Board {
  const { call_id: id, type, data } = event;
  if (typeof event.seq === "number" && event.seq <= (board.lastSeq[id] ?? -1)) return board;
  const before = board.calls.get(id);
  if (before === undefined && type !== "call.started") return board; // over already: late words, an annotation
  const after = apply(before ?? blank(id), type, data, event.at);
  const lastSeq = typeof event.seq === "number" ? { ...board.lastSeq, [id]: event.seq } : board.lastSeq;
  return { calls: new Map(board.calls).set(id, after), lastSeq };
}

/** Without the calls that ended before `endedBefore` (Unix ms), but for those in `kept`. */
export function prune(board: Board, endedBefore: number, kept: ReadonlySet<string>): Board {
  const over = [...board.calls.values()].filter(
    (call) => call.state === "ended" && !kept.has(call.id) && Date.parse(call.ended_at ?? "") >= endedBefore === false,
  );
  if (over.length === 0) return board;
  const calls = new Map(board.calls);
  const lastSeq = { ...board.lastSeq };
  for (const { id } of over) {
    calls.delete(id);
    delete lastSeq[id];
  }
  return { calls, lastSeq };
}

/** Somebody may still come, or has the call. */
export function isOpen(handoff: Handoff | null): handoff is Handoff {
  return handoff !== null && OPEN.has(handoff.state);
}

/** Nobody has said yes yet. */
export function waits(call: Call): boolean {
  return call.state !== "ended" && isOpen(call.handoff) && !TAKEN.has(call.handoff.state);
}

/** Who has the call, or is being connected; null: the agent. */
export function ownerOf(call: Call): string | null {
  return call.state !== "ended" && call.handoff !== null && TAKEN.has(call.handoff.state) ? call.handoff.operator : null;
}

function apply(call: Call, type: string, data: Readonly<Record<string, unknown>>, at: string): Call {
  const state = data["mode"] === "barge" ? undefined : STATES[type];
  let after: Call = state === undefined ? call : { ...call, state };
  const text = (name: string) => (typeof data[name] === "string" ? data[name] : null);
  switch (type) {
    case "call.started":
      after = { ...after, agent: text("agent"), agent_version: text("agent_version"), caller: text("caller"), started_at: at };
      break;
    case "call.answered":
      after = { ...after, answered_at: at };
      break;
    case "call.ended":
      after = { ...after, ended_at: at, end_reason: text("reason"), barging: [] };
      break;
    case "transcript.partial":
    case "transcript.final": {
      const said = text("heard_text") ?? text("text");
      if (said) after = { ...after, said: { speaker: data["speaker"] as Speaker, text: said } };
      break;
    }
    case "slot.filled":
    case "slot.confirmed":
    case "slot.corrected": {
      const slot: Slot = {
        goal: String(data["goal"]), slot: String(data["slot"]), value: data["value"],
        confirmed: type === "slot.confirmed" || data["confirmed"] === true,
      };
      const others = after.slots.filter((each) => each.goal !== slot.goal || each.slot !== slot.slot);
      after = { ...after, slots: [...others, slot].sort((a, b) => (a.goal + a.slot < b.goal + b.slot ? -1 : 1)) };
      break;
    }
    case "operator.joined":
    case "operator.left": {
      const operator = text("operator");
      if (data["mode"] !== "barge" || operator === null) break;
      const others = after.barging.filter((each) => each !== operator);
      after = { ...after, barging: type === "operator.joined" ? [...others, operator] : others };
      break;
    }
  }
  if (type.startsWith("handoff.") && text("handoff_id") !== null) after = { ...after, handoff: handed(after.handoff, type, data, at) };
  return after;
}

function handed(before: Handoff | null, type: string, data: Readonly<Record<string, unknown>>, at: string): Handoff {
  const text = (name: string) => (typeof data[name] === "string" ? data[name] : null);
  const id = text("handoff_id") ?? "";
  const known: Handoff = before?.handoff_id === id ? before : {
    handoff_id: id, state: "", reason: null, summary: null, method: null, requested_at: null,
    offer_id: null, operator: null, until: null,
  };
  const holding = HOLDING.has(type);
  const after: Handoff = {
    ...known,
    state: type.slice("handoff.".length),
    offer_id: text("offer_id") ?? (holding ? known.offer_id : null),
    operator: text("operator") ?? (holding ? known.operator : null),
    until: text("until"),
  };
  if (type !== "handoff.requested") return after;
  return { ...after, reason: text("reason"), summary: text("summary"), method: text("method"), requested_at: at };
}

function blank(id: string): Call {
  return {
    id, state: "ringing", agent: null, agent_version: null, caller: null, started_at: null, answered_at: null,
    ended_at: null, end_reason: null, slots: [], handoff: null, said: null, barging: [],
  };
}
