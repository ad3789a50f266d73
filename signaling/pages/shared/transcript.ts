/**
 * The conversation on the page: what was said, what was done, in the order of speaking.
 *
 * Words arrive out of order (a caller's text often after the answer to it), so a final takes the place its
 * `position` gives it; what has no position yet stands where it was first heard of. Pure: every event
 * returns a new list, and the same one where nothing changed.
 */
import type { Envelope, KnownEvent, Speaker } from "./envelope";
import { known } from "./envelope";

export interface Words {
  readonly kind: "words";
  readonly id: string;
  readonly speaker: Speaker;
  /** RFC 3339, when the speaker began as far as we know. */
  readonly at: string;
  readonly position: number | null;
  readonly final: boolean;
  readonly interrupted: boolean;
  readonly heard: string;
  /** What was still to come when the agent was interrupted: generated, never heard. */
  readonly cut: string;
}

export interface Tool {
  readonly kind: "tool";
  readonly id: string;
  readonly at: string;
  readonly name: string;
  readonly state: "running" | "done" | "failed";
  readonly durationMs: number | null;
  readonly given: unknown;
  readonly answered: unknown;
}

export interface Handoff {
  readonly kind: "handoff";
  readonly id: string;
  readonly at: string;
  readonly reason: string;
}

export type Line = Words | Tool | Handoff;
export type Transcript = readonly Line[];

/** Lines kept on the page; an hour of quick talk is about 800. */
const LINE_LIMIT = 1000;

export function receive(lines: Transcript, envelope: Envelope): Transcript {
  const event = known(envelope);
  if (event === null) return lines;
  const after = apply(lines, event);
  return after.length > LINE_LIMIT ? after.slice(-LINE_LIMIT) : after;
}

function apply(lines: Transcript, event: KnownEvent): Transcript {
  switch (event.type) {
    case "turn.started": {
      const { item_id, speaker } = event.data;
      if (find(lines, "words", item_id) !== undefined) return lines;
      return placed(lines, blank(item_id, speaker, event.at));
    }
    case "transcript.partial": {
      const { item_id, speaker, text } = event.data;
      const before = find(lines, "words", item_id) ?? blank(item_id, speaker, event.at);
      if (before.final) return lines;
      const shown = before.interrupted ? before : { ...before, heard: text };
      return placed(lines, shown);
    }
    case "turn.interrupted": {
      const before = find(lines, "words", event.data.item_id);
      if (before === undefined || before.final) return lines;
      return placed(lines, { ...before, interrupted: true, ...split(before.heard, event.data.heard_text) });
    }
    case "transcript.final": {
      const { item_id, speaker, position, text, heard_text, started_at, interrupted } = event.data;
      const said = interrupted ? split(text, heard_text) : { heard: text, cut: "" };
      const at = find(lines, "words", item_id)?.at ?? started_at;
      return placed(lines, { kind: "words", id: item_id, speaker, at, position, final: true, interrupted, ...said });
    }
    case "tool.called": {
      const { call_item_id, name, arguments: given } = event.data;
      const seen = find(lines, "tool", call_item_id);
      if (seen !== undefined) return placed(lines, { ...seen, given });
      return placed(lines, {
        kind: "tool", id: call_item_id, at: event.at, name, state: "running", durationMs: null, given, answered: null,
      });
    }
    case "tool.finished": {
      const { call_item_id, name, ok, duration_ms, output, error } = event.data;
      const given = find(lines, "tool", call_item_id)?.given ?? null;
      const at = find(lines, "tool", call_item_id)?.at ?? event.at;
      return placed(lines, {
        kind: "tool", id: call_item_id, at, name, state: ok ? "done" : "failed", durationMs: duration_ms, given,
        answered: output ?? error,
      });
    }
    case "handoff.requested":
      return placed(lines, { kind: "handoff", id: event.data.handoff_id, at: event.at, reason: event.data.reason });
    default:
      return lines;
  }
}

/** `text` parted at what was heard of it. Where the heard part is not its beginning, only that is shown. */
export function split(text: string, heard: string): { heard: string; cut: string } {
  if (!text.startsWith(heard.trimEnd())) return { heard, cut: "" };
  const cut = text.slice(heard.trimEnd().length).trimStart(); // the space between belongs to what was heard
  return { heard: text.slice(0, text.length - cut.length), cut };
}

function blank(id: string, speaker: Speaker, at: string): Words {
  return { kind: "words", id, speaker, at, position: null, final: false, interrupted: false, heard: "", cut: "" };
}

function find<K extends Line["kind"]>(lines: Transcript, kind: K, id: string): Extract<Line, { kind: K }> | undefined {
  return lines.find((line) => line.kind === kind && line.id === id) as Extract<Line, { kind: K }> | undefined;
}

/** `lines` with `line` in its place: where it was, unless its position says otherwise. */
function placed(lines: Transcript, line: Line): Transcript {
  const now = lines.findIndex((other) => other.kind === line.kind && other.id === line.id);
  const others = now < 0 ? [...lines] : lines.toSpliced(now, 1);
  // RFC 3339 in UTC with milliseconds sorts as text.
  let place = now < 0 ? others.findIndex((other) => other.at > line.at) : now;
  if (place < 0) place = others.length;
  const position = positionOf(line);
  if (position !== null) {
    const later = others.findIndex((other) => (positionOf(other) ?? -1) > position);
    const earlier = others.findLastIndex((other) => (positionOf(other) ?? Infinity) < position);
    if (later >= 0) place = Math.min(place, later);
    place = Math.max(place, earlier + 1);
  }
  return others.toSpliced(place, 0, line);
}

function positionOf(line: Line): number | null {
  return line.kind === "words" ? line.position : null;
}
