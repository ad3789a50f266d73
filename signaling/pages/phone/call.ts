/**
 * One call as its caller lives through it: which states there are, and which event leads where.
 *
 *   idle ─► asking_mic ─► connecting ─► talking ◄─► reconnecting
 *                │             │            │             │
 *                └─────────────┴── ended or failed ◄──────┘   (from both, and from idle: call again)
 *
 *   idle ─► reconnecting: the page was reloaded in the middle of a call
 *
 * Pure: time is an argument (ms, from any fixed origin), nothing is done here. An event that the table
 * does not know in the present state changes nothing and returns the same object: late answers of a call
 * that has been hung up are expected, not errors. After each input ask `deadline` when to send "wake".
 */
import { trouble, type Trouble } from "./trouble";

/** What connecting is busy with: waiting for the answer, finding a path for voice, securing it. */
export type Step = "calling" | "path" | "securing";

export type Call =
  | { readonly at: "idle" }
  | { readonly at: "asking_mic" }
  | { readonly at: "connecting"; readonly sinceMs: number; readonly step: Step; readonly stepSinceMs: number }
  | { readonly at: "talking"; readonly answeredMs: number }
  | { readonly at: "reconnecting"; readonly answeredMs: number; readonly sinceMs: number }
  | { readonly at: "ended"; readonly reason: string; readonly lengthMs: number }
  | { readonly at: "failed"; readonly trouble: Trouble; readonly lengthMs: number };

export type State = Call["at"];

export type CallEvent =
  | { readonly kind: "call_pressed" }
  /** The page was reloaded while its call was up; `answeredMs` is on this page's clock. */
  | { readonly kind: "page_reloaded"; readonly answeredMs: number }
  | { readonly kind: "mic_granted" }
  | { readonly kind: "step_reached"; readonly step: Step }
  | { readonly kind: "media_connected" }
  | { readonly kind: "media_interrupted" }
  /** By whomever: `reason` is one of the contract's end reasons, or "other_side" where none was told. */
  | { readonly kind: "ended"; readonly reason: string }
  | { readonly kind: "broke"; readonly trouble: Trouble }
  | { readonly kind: "wake" };

export const IDLE: Call = { at: "idle" };

/** An answer takes 0.3 s; the model's own connection up to 10 s. Beyond that nobody will answer. */
export const ANSWER_LIMIT_MS = 15_000;
/** From the answer to connected media. Checks repeat every 50 ms: after 10 s the path is blocked. */
export const PATH_LIMIT_MS = 10_000;
/** A lost path is waited for while the switchboard keeps the agent (30 s there, less its own notice of 10). */
export const LOST_LIMIT_MS = 20_000;

type Handler<S extends State> = (
  call: Extract<Call, { at: S }>,
  event: never,
  nowMs: number,
) => Call;
type Table = { readonly [S in State]: { readonly [K in CallEvent["kind"]]?: Handler<S> } };
type Of<K extends CallEvent["kind"]> = Extract<CallEvent, { kind: K }>;

const again = { call_pressed: (): Call => ({ at: "asking_mic" }) };

const TABLE: Table = {
  idle: {
    ...again,
    page_reloaded: (_call, event: Of<"page_reloaded">, now) => ({
      at: "reconnecting", answeredMs: event.answeredMs, sinceMs: now,
    }),
  },
  asking_mic: {
    mic_granted: (_call, _event, now) => ({ at: "connecting", sinceMs: now, step: "calling", stepSinceMs: now }),
    ended: (_call, event: Of<"ended">) => ended(event.reason, 0),
    broke: (_call, event: Of<"broke">) => failed(event.trouble, 0),
  },
  connecting: {
    step_reached: (call, event: Of<"step_reached">, now) =>
      event.step === call.step ? call : { ...call, step: event.step, stepSinceMs: now },
    media_connected: (_call, _event, now) => ({ at: "talking", answeredMs: now }),
    ended: (_call, event: Of<"ended">) => ended(event.reason, 0),
    broke: (_call, event: Of<"broke">) => failed(event.trouble, 0),
    wake: (call, _event, now) => {
      if (now < connectingDeadline(call)) return call;
      return failed(trouble(call.step === "calling" ? "server_silent" : "ice_timeout"), 0);
    },
  },
  talking: {
    media_interrupted: (call, _event, now) => ({ at: "reconnecting", answeredMs: call.answeredMs, sinceMs: now }),
    ended: (call, event: Of<"ended">, now) => ended(event.reason, now - call.answeredMs),
    broke: (call, event: Of<"broke">, now) => failed(event.trouble, now - call.answeredMs),
  },
  reconnecting: {
    media_connected: (call) => ({ at: "talking", answeredMs: call.answeredMs }),
    ended: (call, event: Of<"ended">, now) => ended(event.reason, now - call.answeredMs),
    broke: (call, event: Of<"broke">, now) => failed(event.trouble, now - call.answeredMs),
    wake: (call, _event, now) =>
      now < call.sinceMs + LOST_LIMIT_MS ? call : failed(trouble("lost"), call.sinceMs - call.answeredMs),
  },
  ended: again,
  failed: again,
};

/** The call after `event` at `nowMs`. */
export function receive(call: Call, event: CallEvent, nowMs: number): Call {
  const row = TABLE[call.at] as Record<string, ((call: Call, event: CallEvent, nowMs: number) => Call) | undefined>;
  return row[event.kind]?.(call, event, nowMs) ?? call;
}

/** When "wake" is due, or null where the present state waits for ever (the browser's own mic question). */
export function deadline(call: Call): number | null {
  if (call.at === "connecting") return connectingDeadline(call);
  if (call.at === "reconnecting") return call.sinceMs + LOST_LIMIT_MS;
  return null;
}

/** Is there a call to hang up? */
export function isUp(call: Call): boolean {
  return call.at === "asking_mic" || call.at === "connecting" || isTalking(call);
}

export function isTalking(call: Call): boolean {
  return call.at === "talking" || call.at === "reconnecting";
}

// "securing" continues the search for a path: both together have the path's ten seconds.
function connectingDeadline(call: Extract<Call, { at: "connecting" }>): number {
  return call.stepSinceMs + (call.step === "calling" ? ANSWER_LIMIT_MS : PATH_LIMIT_MS);
}

/** Reasons that are not an end but a failure the caller should know the remedy of. */
const FAILURES: Readonly<Record<string, Trouble>> = {
  provider_failed: trouble("model_unreachable"),
  peer_lost: trouble("lost"),
  node_lost: trouble("lost"),
  refused: trouble("server_error"),
  error: trouble("server_error"),
};

function ended(reason: string, lengthMs: number): Call {
  const failure = FAILURES[reason];
  return failure === undefined ? { at: "ended", reason, lengthMs } : failed(failure, lengthMs);
}

function failed(trouble: Trouble, lengthMs: number): Call {
  return { at: "failed", trouble, lengthMs };
}
