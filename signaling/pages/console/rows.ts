/**
 * Which call stands where in the list.
 *
 * A row never moves while the pointer or the focus is on the list: what has changed says so in its place, what
 * is new waits behind a chip ("3 new"). Pure.
 */
import { ownerOf, waits, type Board, type Call } from "./board";

export type Group = "waiting" | "people" | "agent";
export const GROUPS: readonly Group[] = ["waiting", "people", "agent"];

export interface Row {
  readonly id: string;
  readonly group: Group;
}

export interface Arranged {
  readonly rows: readonly Row[];
  /** Calls that are not in the list yet, or would stand elsewhere by now. */
  readonly pending: number;
}

export function groupOf(call: Call): Group {
  if (waits(call)) return "waiting";
  return ownerOf(call) !== null || call.state === "human" ? "people" : "agent";
}

/** The rows for `board`: anew, or (`frozen`) those of `before` where they were. */
export function arrange(board: Board, before: readonly Row[], frozen: boolean): Arranged {
  const wanted = ordered(board, before);
  if (!frozen) return { rows: wanted, pending: 0 };
  const rows = before.filter(({ id }) => board.calls.has(id));
  const shown = new Map(rows.map((row) => [row.id, row.group]));
  const pending = wanted.filter(({ id, group }) => shown.get(id) !== group && board.calls.get(id)?.state !== "ended");
  return { rows, pending: pending.length };
}

/** By group, within it the longest wait first; a call that ended stays in the group it was in. */
function ordered(board: Board, before: readonly Row[]): readonly Row[] {
  const was = new Map(before.map((row) => [row.id, row.group]));
  const rows = [...board.calls.values()].map((call) => ({
    id: call.id,
    group: call.state === "ended" ? (was.get(call.id) ?? "agent") : groupOf(call),
    since: (groupOf(call) === "waiting" ? call.handoff?.requested_at : call.started_at) ?? "",
  }));
  rows.sort((one, other) =>
    GROUPS.indexOf(one.group) - GROUPS.indexOf(other.group) ||
    (one.since < other.since ? -1 : one.since > other.since ? 1 : one.id < other.id ? -1 : 1));
  return rows.map(({ id, group }) => ({ id, group }));
}

/** Does a call match what was typed into the search field? */
export function matches(call: Call, search: string): boolean {
  const wanted = search.trim().toLowerCase();
  if (wanted === "") return true;
  const texts = [call.caller, call.agent, call.handoff?.reason, call.handoff?.summary, call.said?.text];
  return texts.some((text) => text?.toLowerCase().includes(wanted));
}
