import assert from "node:assert/strict";
import { test } from "node:test";
import {
  ANSWER_LIMIT_MS, IDLE, LOST_LIMIT_MS, PATH_LIMIT_MS, deadline, isUp, receive, type Call, type CallEvent, type State,
} from "./call";
import { trouble } from "./trouble";

const CALLS: Record<State, Call> = {
  idle: IDLE,
  asking_mic: { at: "asking_mic" },
  connecting: { at: "connecting", sinceMs: 1000, step: "calling", stepSinceMs: 1000 },
  talking: { at: "talking", answeredMs: 1000 },
  reconnecting: { at: "reconnecting", answeredMs: 1000, sinceMs: 2000 },
  ended: { at: "ended", reason: "caller_hangup", lengthMs: 5 },
  failed: { at: "failed", trouble: trouble("lost"), lengthMs: 5 },
};
const EVENTS: Record<CallEvent["kind"], CallEvent> = {
  call_pressed: { kind: "call_pressed" },
  page_reloaded: { kind: "page_reloaded", answeredMs: 1000 },
  mic_granted: { kind: "mic_granted" },
  step_reached: { kind: "step_reached", step: "path" },
  media_connected: { kind: "media_connected" },
  media_interrupted: { kind: "media_interrupted" },
  ended: { kind: "ended", reason: "caller_hangup" },
  broke: { kind: "broke", trouble: trouble("mic_denied") },
  wake: { kind: "wake" },
};
// The whole product of states and events at 3000 ms, when no deadline is due. Absent: nothing changes.
const EXPECTED: Record<State, Partial<Record<CallEvent["kind"], State>>> = {
  idle: { call_pressed: "asking_mic", page_reloaded: "reconnecting" },
  asking_mic: { mic_granted: "connecting", ended: "ended", broke: "failed" },
  connecting: { step_reached: "connecting", media_connected: "talking", ended: "ended", broke: "failed" },
  talking: { media_interrupted: "reconnecting", ended: "ended", broke: "failed" },
  reconnecting: { media_connected: "talking", ended: "ended", broke: "failed" },
  ended: { call_pressed: "asking_mic" },
  failed: { call_pressed: "asking_mic" },
};

for (const [state, call] of Object.entries(CALLS) as [State, Call][]) {
  for (const [kind, event] of Object.entries(EVENTS) as [CallEvent["kind"], CallEvent][]) {
    const expected = EXPECTED[state][kind];
    test(`${state} on ${kind}: ${expected ?? "nothing changes"}`, () => {
      const after = receive(call, event, 3000);
      if (expected === undefined) assert.equal(after, call);
      else {
        assert.equal(after.at, expected);
        assert.notEqual(after, call);
      }
    });
  }
}

test("an answer that does not come is a silent switchboard, not a blocked network", () => {
  const call = CALLS.connecting;
  assert.equal(deadline(call), 1000 + ANSWER_LIMIT_MS);
  assert.equal(receive(call, EVENTS.wake, 999 + ANSWER_LIMIT_MS), call);
  assert.deepEqual(receive(call, EVENTS.wake, 1000 + ANSWER_LIMIT_MS), { at: "failed", trouble: trouble("server_silent"), lengthMs: 0 });
});

test("after the answer the path has ten seconds of its own", () => {
  const call = receive(CALLS.connecting, EVENTS.step_reached, 9000);
  assert.equal(deadline(call), 9000 + PATH_LIMIT_MS);
  const failed = receive(call, EVENTS.wake, 9000 + PATH_LIMIT_MS);
  assert.equal(failed.at === "failed" && failed.trouble.code, "ice_timeout");
});

test("a lost path is waited for, then the call is lost with the length it had", () => {
  const call = CALLS.reconnecting;
  assert.equal(receive(call, EVENTS.wake, 1999 + LOST_LIMIT_MS), call);
  assert.deepEqual(receive(call, EVENTS.wake, 2000 + LOST_LIMIT_MS), { at: "failed", trouble: trouble("lost"), lengthMs: 1000 });
});

test("a path that comes back keeps the call's clock running from its first answer", () => {
  assert.deepEqual(receive(CALLS.reconnecting, EVENTS.media_connected, 9000), CALLS.talking);
});

test("an end that is a failure tells its remedy", () => {
  for (const [reason, code] of [["provider_failed", "model_unreachable"], ["peer_lost", "lost"], ["error", "server_error"]]) {
    const call = receive(CALLS.talking, { kind: "ended", reason: reason ?? "" }, 3000);
    assert.equal(call.at === "failed" && call.trouble.code, code);
  }
});

test("only a call that is up can be hung up", () => {
  assert.deepEqual(Object.values(CALLS).filter(isUp).map((call) => call.at), ["asking_mic", "connecting", "talking", "reconnecting"]);
});
