/** What the state of a call, a refusal or a time is called, in the language of the moment. */
import { language } from "../shared/i18n";
import { isOpen, type Call } from "./board";
import type { Desk } from "./desk";
import { words } from "./words";

export function callerOf(call: { readonly caller: string | null }): string {
  return call.caller ?? words().list.unknownCaller;
}

export function stateOf(call: Call, desk: Desk): string {
  const w = words().state;
  const me = desk.me.value?.id;
  if (call.state === "ended") {
    const why = words().ended[call.end_reason ?? ""];
    return why === undefined ? w.ended : `${w.ended}: ${why}`;
  }
  const handoff = call.handoff;
  if (isOpen(handoff)) {
    const name = desk.nameOf(handoff.operator);
    const mine = handoff.operator === me;
    switch (handoff.state) {
      case "requested":
        return w.requested;
      case "offered":
        return mine ? w.offeredToMe : w.offered(name);
      case "accepted":
        return w.accepted(name);
      case "connected":
      case "resumed":
        return mine ? w.mine : w.human(name);
      case "held":
        return w.held(name);
      case "recovering":
        return w.recovering(name);
      default:
        return w.waiting;
    }
  }
  return call.state === "ringing" ? w.ringing : w.ai;
}

/** What became of the newest request for a person, once it is settled; null: nothing to tell. */
export function settledOf(call: Call): string | null {
  return call.handoff === null ? null : (words().settled[call.handoff.state] ?? null);
}

/** The colour of a state; its words always stand beside it. */
export function toneOf(call: Call): "wait" | "person" | "agent" | "over" {
  if (call.state === "ended") return "over";
  if (!isOpen(call.handoff)) return "agent";
  return ["connected", "resumed", "held"].includes(call.handoff.state) ? "person" : "wait";
}

export function problemText(code: string, name: string | null): string {
  const w = words().problem;
  if (code === "already_taken" && name !== null) return w.taken_by(name);
  const text = (w as Readonly<Record<string, unknown>>)[code];
  return typeof text === "string" ? text : w.other;
}

/** Time since `from` (RFC 3339), as a clock; empty where it is not known. */
export function since(from: string | null, nowMs: number): string {
  const began = from === null ? NaN : Date.parse(from);
  return Number.isNaN(began) ? "" : words().clock(Math.max(0, nowMs - began));
}

/** In the reader's own zone, which is named. */
export function timeOfDay(ms: number): string {
  return new Intl.DateTimeFormat(language.value, { timeStyle: "long" }).format(ms);
}

/** A slot's value as text: dates and numbers as they stand, lists with commas. */
export function valueText(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (Array.isArray(value)) return value.map(valueText).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
