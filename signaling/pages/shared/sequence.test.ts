import assert from "node:assert/strict";
import { test } from "node:test";
import type { Envelope } from "./envelope";
import { readMessage } from "./envelope";
import { Sequence } from "./sequence";

function event(seq: number | null): Envelope {
  return { v: 1, call_id: "c", seq, at: "", type: "t", data: {} };
}
function numbers(events: readonly Envelope[]): (number | null | undefined)[] {
  return events.map(({ seq }) => seq);
}

test("events in order pass, repeated ones do not, unnumbered ones always do", () => {
  const sequence = new Sequence();
  assert.deepEqual([0, 1, 1, 0, 2].flatMap((seq) => numbers(sequence.receive(event(seq)))), [0, 1, 2]);
  assert.deepEqual(numbers(sequence.receive(event(null))), [null]);
});

test("a gap holds what comes after it until the fetch has filled it", () => {
  const sequence = new Sequence();
  sequence.receive(event(0));
  assert.deepEqual(sequence.receive(event(3)), []);
  assert.equal(sequence.missingAfter, 0);
  assert.deepEqual(numbers(sequence.fill([event(1), event(2)])), [1, 2, 3]);
  assert.equal(sequence.missingAfter, null);
});

test("a gap that closes by itself needs no fetch any more", () => {
  const sequence = new Sequence();
  assert.deepEqual([1, 2, 0].flatMap((seq) => numbers(sequence.receive(event(seq)))), [0, 1, 2]);
  assert.equal(sequence.missingAfter, null);
});

test("a snapshot that knows more asks for what is missing, one that knows as much does not", () => {
  const sequence = new Sequence();
  sequence.expect(-1);
  assert.equal(sequence.missingAfter, null);
  sequence.expect(4);
  assert.equal(sequence.missingAfter, -1);
});

test("any history of shuffled, repeated and lost events ends in order, each once", () => {
  let seed = 7;
  const random = (below: number) => (seed = (seed * 48271) % 0x7fffffff) % below;
  for (let round = 0; round < 300; round += 1) {
    const sequence = new Sequence();
    const shown: (number | null | undefined)[] = [];
    const all = Array.from({ length: 12 }, (_, seq) => event(seq));
    const arriving = all.flatMap((one) => (random(4) === 0 ? [] : [one, ...(random(5) === 0 ? [one] : [])]));
    for (let swap = 0; swap < 6 && arriving.length > 1; swap += 1) {
      const place = random(arriving.length - 1);
      [arriving[place], arriving[place + 1]] = [arriving[place + 1]!, arriving[place]!];
    }
    let upTo = -1; // the server has what it has sent, and what was lost before it
    for (const one of arriving) {
      upTo = Math.max(upTo, one.seq ?? 0);
      shown.push(...numbers(sequence.receive(one)));
      if (sequence.missingAfter !== null && random(2) === 0) {
        shown.push(...numbers(sequence.fill(all.filter(({ seq }) => (seq ?? 0) > sequence.last && (seq ?? 0) <= upTo))));
      }
    }
    sequence.expect(11);
    if (sequence.missingAfter !== null) shown.push(...numbers(sequence.fill(all.slice(sequence.last + 1))));
    assert.deepEqual(shown, all.map(({ seq }) => seq));
  }
});

test("what is no message of the feed is passed over", () => {
  for (const text of ["", "null", "[]", "{}", '{"type":1}', '{"type":"x"}', '{"type":"snapshot","data":3}', '{"type":"x","call_id":"c","data":[]}']) {
    assert.equal(readMessage(text), null, text);
  }
  assert.deepEqual(readMessage('{"type":"resync"}'), { kind: "resync" });
});
