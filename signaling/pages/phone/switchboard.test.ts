import assert from "node:assert/strict";
import { test } from "node:test";
import { iceServers } from "./switchboard";
import { refusalTrouble } from "./trouble";

test("ICE servers are read from Link headers, and nothing else is taken for one", () => {
  const link =
    '</v1/events?topics=call:1>; rel="events", <stun:a.example:3478>; rel="ice-server", ' +
    '<turn:b.example?transport=udp>; rel="ice-server"; username="u,1"; credential="p;2"; credential-type="password"';

  assert.deepEqual(iceServers(link), [
    { urls: "stun:a.example:3478" },
    { urls: "turn:b.example?transport=udp", username: "u,1", credential: "p;2" },
  ]);
  assert.deepEqual(iceServers(null), []);
});

test("a refusal's code decides before its status", () => {
  const problem = { status: 503, code: "model_unreachable", detail: "x", retryAfterS: 5 };

  assert.deepEqual(refusalTrouble(problem), { code: "model_unreachable", detail: "x", retryAfterS: 5 });
  assert.equal(refusalTrouble({ ...problem, code: null }).code, "lines_busy");
  assert.equal(refusalTrouble({ ...problem, status: 418, code: "teapot" }).code, "server_error");
});
