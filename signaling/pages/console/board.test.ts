import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "../shared/envelope";
import { EMPTY, fromSnapshot, isOpen, ownerOf, prune, receive, waits, type Board } from "./board";

let seq = -1;
function event(type: string, data: object = {}, call_id = "c"): Envelope {
  seq += 1;
  return { v: 1, call_id, seq, at: "2026-11-23T09:00:00.000Z", type, data: data as Record<string, unknown> };
}
function fold(...events: [string, object?][]): Board {
  seq = -1;
  return events.reduce((board, [type, data]) => receive(board, event(type, data)), EMPTY);
}
const STARTED: [string, object] = ["call.started", { agent: "a", agent_version: "v1", caller: "+81" }];
const REQUESTED: [string, object] = ["handoff.requested", { handoff_id: "h", reason: "r", summary: "s", method: "ai" }];
const OFFERED: [string, object] = ["handoff.offered", { handoff_id: "h", operator: "sato", offer_id: "o", until: "u" }];
const CONNECTED: [string, object] = ["handoff.connected", { handoff_id: "h", operator: "sato" }];

function call(board: Board) {
  const found = board.calls.get("c");
  assert.ok(found);
  return found;
}

test("a call begins with the agent and waits when a person is asked for", () => {
  const answered = call(fold(STARTED, ["call.answered"]));
  assert.deepEqual([answered.state, answered.caller, waits(answered), ownerOf(answered)], ["ai", "+81", false, null]);
  const waiting = call(fold(STARTED, ["call.answered"], REQUESTED, OFFERED));
  assert.deepEqual([waiting.state, waits(waiting), waiting.handoff?.operator, waiting.handoff?.reason], ["waiting", true, "sato", "r"]);
});

test("whoever accepted has the call until it is given back or over", () => {
  const events: [string, object?][] = [STARTED, ["call.answered"], REQUESTED, OFFERED, ["handoff.accepted", { handoff_id: "h", operator: "sato" }]];
  for (const type of ["handoff.connected", "handoff.held", "handoff.resumed", "handoff.recovering"]) {
    events.push([type, { handoff_id: "h", ...(type === "handoff.connected" ? { operator: "sato" } : {}) }]);
    assert.equal(ownerOf(call(fold(...events))), "sato", type);
  }
  assert.equal(ownerOf(call(fold(...events, ["handoff.returned", { handoff_id: "h", operator: "sato", why: "given_back" }]))), null);
  assert.equal(ownerOf(call(fold(...events, ["call.ended", { reason: "caller_hangup" }]))), null);
});

test("who declines or does not answer has nothing to do with the call any more", () => {
  const queued = call(fold(STARTED, REQUESTED, OFFERED, ["handoff.declined", { handoff_id: "h", operator: "sato" }], ["handoff.queued", { handoff_id: "h" }]));
  assert.deepEqual([queued.handoff?.operator, queued.handoff?.offer_id, waits(queued)], [null, null, true]);
});

test("joining in beside the agent does not take the call from it", () => {
  const barged = call(fold(STARTED, ["call.answered"], ["operator.joined", { operator: "mori", mode: "barge" }]));
  assert.deepEqual([barged.state, barged.barging], ["ai", ["mori"]]);
});

test("slots are replaced as they are corrected and confirmed", () => {
  const board = fold(STARTED, ["slot.filled", { goal: "g", slot: "day", value: 1, confirmed: false }], ["slot.confirmed", { goal: "g", slot: "day", value: 2 }]);
  assert.deepEqual(call(board).slots, [{ goal: "g", slot: "day", value: 2, confirmed: true }]);
});

test("an event that is known already, or of a call that nobody knows, changes nothing", () => {
  const board = fold(STARTED, ["call.answered"]);
  assert.equal(receive(board, { ...event("call.ended"), seq: 1 }), board);
  assert.equal(receive(board, { ...event("call.annotated"), call_id: "other" }), board);
});

test("a snapshot takes over, and what it does not have any more has ended", () => {
  const before = fold(STARTED, ["call.answered"]);
  const after = fromSnapshot({ calls: [{ id: "d", state: "ai" }], handoffs: [], last_seq: { d: 7 } }, before);
  assert.equal(after.calls.get("c")?.state, "ended");
  assert.equal(receive(after, { ...event("call.ended", {}, "d"), seq: 7 }), after);
  assert.equal(receive(after, { ...event("call.ended", {}, "d"), seq: 8 }).calls.get("d")?.state, "ended");
});

test("ended calls go after a while, unless somebody looks at them", () => {
  const board = fold(STARTED, ["call.ended", { reason: "silence" }]);
  const ended = Date.parse("2026-11-23T09:00:00.000Z");
  assert.equal(prune(board, ended - 1, new Set()), board);
  assert.equal(prune(board, ended + 1, new Set(["c"])), board);
  assert.equal(prune(board, ended + 1, new Set()).calls.size, 0);
});

test("a handoff that came to nothing is not open", () => {
  for (const type of ["withdrawn", "timed_out", "unavailable", "callback_booked", "abandoned", "returned"]) {
    assert.equal(isOpen(call(fold(STARTED, REQUESTED, [`handoff.${type}`, { handoff_id: "h" }])).handoff), false, type);
  }
  assert.equal(isOpen(call(fold(STARTED, REQUESTED, OFFERED, CONNECTED)).handoff), true);
});
