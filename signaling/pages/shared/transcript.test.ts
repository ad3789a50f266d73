import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "./envelope";
import { receive, split, type Transcript } from "./transcript";

let at = 0;
function event(type: string, data: object): Envelope {
  at += 1;
  return { v: 1, call_id: "c", seq: at, at: stamp(at), type, data: data as Record<string, unknown> };
}
function stamp(second: number): string {
  return new Date(Date.UTC(2026, 10, 22) + second * 1000).toISOString();
}
function final(item_id: string, position: number, text: string, more: object = {}): Envelope {
  const data = { item_id, position, speaker: "caller", text, heard_text: text, heard_ms: null, started_at: stamp(at), interrupted: false };
  return event("transcript.final", { ...data, ...more });
}
function play(...events: Envelope[]): Transcript {
  return events.reduce<Transcript>(receive, []);
}
function texts(lines: Transcript): string[] {
  return lines.map((line) => (line.kind === "words" ? line.heard : line.id));
}

test("a caller's late words stand before the answer to them", () => {
  const lines = play(final("greeting", 0, "Hello"), final("answer", 2, "At three."), final("question", 1, "When?"));
  assert.deepEqual(texts(lines), ["Hello", "When?", "At three."]);
});

test("words without a position yet keep the place where they began", () => {
  const lines = play(
    event("turn.started", { turn: 1, speaker: "caller", item_id: "q" }),
    event("transcript.partial", { item_id: "a", speaker: "agent", text: "At thr" }),
    event("transcript.partial", { item_id: "q", speaker: "caller", text: "When" }),
  );
  assert.deepEqual(texts(lines), ["When", "At thr"]);
});

test("a final replaces the partial, and a late partial does not bring it back", () => {
  const lines = play(
    event("transcript.partial", { item_id: "a", speaker: "agent", text: "At thr" }),
    final("a", 0, "At three."),
    event("transcript.partial", { item_id: "a", speaker: "agent", text: "At th" }),
  );
  assert.deepEqual(texts(lines), ["At three."]);
});

test("every order of arrival of finals gives the order of speaking", () => {
  const finals = [0, 1, 2, 3].map((position) => final(`i${position}`, position, String(position)));
  for (const order of permutations(finals)) assert.deepEqual(texts(play(...order)), ["0", "1", "2", "3"]);
});

test("an interruption parts what was heard from what was not", () => {
  const [line] = play(final("a", 0, "We have time at three or four.", { speaker: "agent", heard_text: "We have time ", interrupted: true }));
  assert.ok(line?.kind === "words");
  assert.deepEqual([line.heard, line.cut, line.interrupted], ["We have time ", "at three or four.", true]);
});

test("an interruption shows at once, before the final says so, and later partials do not undo it", () => {
  const [line] = play(
    event("transcript.partial", { item_id: "a", speaker: "agent", text: "We have time at three" }),
    event("turn.interrupted", { item_id: "a", heard_ms: 700, heard_text: "We have" }),
    event("transcript.partial", { item_id: "a", speaker: "agent", text: "We have time at three or four" }),
  );
  assert.ok(line?.kind === "words");
  assert.deepEqual([line.heard, line.cut], ["We have ", "time at three"]);
});

test("heard words that are no beginning of the text are shown alone", () => {
  assert.deepEqual(split("one two", "uno"), { heard: "uno", cut: "" });
  assert.deepEqual(split("one two", ""), { heard: "", cut: "one two" });
  assert.deepEqual(split("one two", "one two "), { heard: "one two", cut: "" });
});

test("a tool call is one line from its start to its end", () => {
  const called = event("tool.called", { name: "get_customer_info", call_item_id: "t", arguments: { phone_number: "1" } });
  const finished = event("tool.finished", { name: "get_customer_info", call_item_id: "t", ok: true, duration_ms: 12, output: "x", error: null });
  const [line, ...rest] = play(called, finished);
  assert.equal(rest.length, 0);
  assert.deepEqual(line, {
    kind: "tool", id: "t", at: called.at, name: "get_customer_info", state: "done", durationMs: 12,
    given: { phone_number: "1" }, answered: "x",
  });
});

test("an event of a type nobody knows changes nothing", () => {
  const before = play(final("a", 0, "Hello"));
  assert.equal(receive(before, event("weather.changed", { sunny: true })), before);
});

function permutations<T>(items: readonly T[]): T[][] {
  if (items.length < 2) return [[...items]];
  return items.flatMap((item, index) => permutations(items.toSpliced(index, 1)).map((rest) => [item, ...rest]));
}
