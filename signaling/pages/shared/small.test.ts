import assert from "node:assert/strict";
import { test } from "node:test";
import { clock } from "./clock";
import { SpeechGate, loudness } from "./level";
import { retryAfter } from "./problem";

test("a clock shows minutes, and hours only when there are any", () => {
  assert.deepEqual([-5, 0, 83_900, 3_723_000].map(clock), ["0:00", "0:00", "1:23", "1:02:03"]);
});

test("Retry-After is seconds or a date, and anything else is nothing", () => {
  const now = Date.UTC(2026, 10, 22, 9, 0, 0);
  assert.equal(retryAfter("7", now), 7);
  assert.equal(retryAfter("Sun, 22 Nov 2026 09:00:30 GMT", now), 30);
  assert.equal(retryAfter("Sun, 22 Nov 2026 08:00:00 GMT", now), 0);
  assert.equal(retryAfter("soon", now), null);
  assert.equal(retryAfter(null, now), null);
});

test("loudness runs from silence to full over the range of speech", () => {
  assert.deepEqual([0, 0.001, 0.01, 1].map(loudness), [0, 0, 0.25, 1]);
});

test("speaking lasts over the pauses between syllables and ends after a longer one", () => {
  const gate = new SpeechGate();
  assert.equal(gate.receive(0, 0), false);
  assert.equal(gate.receive(0.6, 100), true);
  assert.equal(gate.receive(0, 500), true);
  assert.equal(gate.receive(0, 600), false);
});
