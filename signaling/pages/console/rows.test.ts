import assert from "node:assert/strict";
import { test } from "node:test";
import { EMPTY, receive, type Board } from "./board";
import { arrange, matches } from "./rows";

function started(board: Board, id: string, minute: number): Board {
  const at = `2026-11-23T09:${String(minute).padStart(2, "0")}:00.000Z`;
  return receive(board, { v: 1, call_id: id, seq: 0, at, type: "call.started", data: { caller: `+${id}`, agent: "a" } });
}
function wanted(board: Board, id: string, minute: number): Board {
  const at = `2026-11-23T09:${String(minute).padStart(2, "0")}:00.000Z`;
  return receive(board, { v: 1, call_id: id, seq: 1, at, type: "handoff.requested", data: { handoff_id: `h${id}`, reason: "Refund", summary: "", method: "ai" } });
}
function ended(board: Board, id: string): Board {
  return receive(board, { v: 1, call_id: id, seq: 9, at: "2026-11-23T09:30:00.000Z", type: "call.ended", data: { reason: "silence" } });
}
const ids = (rows: readonly { id: string }[]) => rows.map(({ id }) => id).join("");

const THREE = ["a", "b", "c"].reduce((board, id, minute) => started(board, id, minute), EMPTY);

test("who waits for a person stands first, the longest wait on top", () => {
  const board = wanted(wanted(THREE, "c", 10), "b", 11);
  assert.deepEqual(arrange(board, [], false).rows, [
    { id: "c", group: "waiting" }, { id: "b", group: "waiting" }, { id: "a", group: "agent" },
  ]);
});

test("while the list is in use no row moves, appears or goes, and the chip counts what waits", () => {
  const before = arrange(THREE, [], false).rows;
  const board = started(ended(wanted(THREE, "c", 10), "a"), "d", 12);
  const frozen = arrange(board, before, true);
  assert.equal(ids(frozen.rows), "abc");
  assert.equal(frozen.pending, 2); // c would stand among the waiting, d is new
  assert.equal(ids(arrange(board, frozen.rows, false).rows), "cabd");
});

test("a call that ends stays in its group", () => {
  const waiting = wanted(THREE, "b", 10);
  const before = arrange(waiting, [], false).rows;
  assert.deepEqual(arrange(ended(waiting, "b"), before, false).rows[0], { id: "b", group: "waiting" });
});

test("the search looks at caller, agent, reason and words", () => {
  const call = wanted(THREE, "c", 10).calls.get("c");
  assert.ok(call);
  assert.deepEqual(["", "+C", "refund ", "nothing"].map((text) => matches(call, text)), [true, true, true, false]);
});
