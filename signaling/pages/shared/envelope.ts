/**
 * What arrives on the live feed: the envelope, and the data of the types a page looks at.
 *
 * The names are those of storage/events.py. A type that is not listed here is still an envelope: it is
 * counted, kept for the debug list, and otherwise left alone, so that a newer server can say more.
 */
export type Speaker = "caller" | "agent" | "operator";

export interface Envelope<Type extends string = string, Data = Readonly<Record<string, unknown>>> {
  readonly v: number;
  readonly id?: string;
  readonly call_id: string;
  /** Position within the call from 0; missing on what is shown live and never stored. */
  readonly seq?: number | null;
  readonly at: string;
  readonly type: Type;
  readonly data: Data;
}

export interface EventData {
  "call.ended": { reason: string; duration_ms: number };
  "session.failed": { code: string; message: string };
  "turn.started": { turn: number; speaker: Speaker; item_id: string };
  "turn.completed": { turn: number; response_latency_ms: number | null; tools: readonly string[] };
  "turn.interrupted": { item_id: string; heard_ms: number; heard_text: string };
  "transcript.partial": { item_id: string; speaker: Speaker; text: string };
  "transcript.final": {
    item_id: string;
    position: number;
    speaker: Speaker;
    text: string;
    heard_text: string;
    heard_ms: number | null;
    started_at: string;
    interrupted: boolean;
  };
  "tool.called": { name: string; call_item_id: string; arguments: unknown };
  "tool.finished": {
    name: string;
    call_item_id: string;
    ok: boolean;
    duration_ms: number;
    output: unknown;
    error: string | null;
  };
  "handoff.requested": { handoff_id: string; reason: string; summary: string };
}

export type EventType = keyof EventData;
export type KnownEvent = { [Type in EventType]: Envelope<Type, Readonly<EventData[Type]>> }[EventType];

/** `event` as one of the types above, or null where it is another. */
export function known(event: Envelope): KnownEvent | null {
  return KNOWN.has(event.type) ? (event as unknown as KnownEvent) : null;
}

const KNOWN_TYPES: Record<EventType, true> = {
  "call.ended": true,
  "session.failed": true,
  "turn.started": true,
  "turn.completed": true,
  "turn.interrupted": true,
  "transcript.partial": true,
  "transcript.final": true,
  "tool.called": true,
  "tool.finished": true,
  "handoff.requested": true,
};
const KNOWN: ReadonlySet<string> = new Set(Object.keys(KNOWN_TYPES));

export interface Snapshot {
  readonly calls: readonly unknown[];
  readonly handoffs: readonly unknown[];
  readonly last_seq: Readonly<Record<string, number>>;
}

/** One message of the feed. "resync" means the server had to drop some: ask again for what is missing. */
export type FeedMessage =
  | { readonly kind: "snapshot"; readonly snapshot: Snapshot }
  | { readonly kind: "resync" }
  | { readonly kind: "event"; readonly event: Envelope };

/** Reads one message; null for what is none, which a page passes over rather than stopping for. */
export function readMessage(text: string): FeedMessage | null {
  let message: unknown;
  try {
    message = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isObject(message) || typeof message["type"] !== "string") return null;
  if (message["type"] === "snapshot") {
    return isObject(message["data"])
      ? { kind: "snapshot", snapshot: { calls: [], handoffs: [], last_seq: {}, ...message["data"] } }
      : null;
  }
  if (message["type"] === "resync") return { kind: "resync" };
  const event = readEnvelope(message);
  return event === null ? null : { kind: "event", event };
}

export function readEnvelope(value: unknown): Envelope | null {
  if (!isObject(value) || typeof value["type"] !== "string" || typeof value["call_id"] !== "string") return null;
  return isObject(value["data"]) ? (value as unknown as Envelope) : null;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
