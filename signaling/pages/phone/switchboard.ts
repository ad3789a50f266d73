/** The switchboard's HTTP side, as far as a caller needs it. Refusals are thrown as `Stopped`. */
import { readEnvelope, type Envelope } from "../shared/envelope";
import { readProblem } from "../shared/problem";
import { Stopped, refusalTrouble, trouble } from "./trouble";

export interface Agent {
  readonly id: string;
  readonly name: string;
  readonly language: string | null;
}

/** A call that was answered: where it lives, the token that is good for it alone, and the SDP answer. */
export interface Answered {
  readonly callId: string;
  readonly location: string;
  readonly resume: string;
  readonly sdp: string;
  readonly iceServers: readonly RTCIceServer[];
}

/** The agents that may be called, or null where this caller is not told. The demo's page brings the list along. */
export async function listAgents(bearer: string | null): Promise<readonly Agent[] | null> {
  try {
    const brought = document.querySelector<HTMLMetaElement>('meta[name="cordboard-agents"]')?.content;
    let list: string;
    if (brought !== undefined) {
      list = brought;
    } else {
      if (bearer === null) return null;
      const response = await ask("/v1/agents", { headers: authorization(bearer) });
      if (!response.ok) return null;
      list = await response.text();
    }
    const { items } = JSON.parse(list) as { items?: Record<string, unknown>[] };
    return (items ?? [])
      .filter((item) => typeof item["id"] === "string" && item["direction"] !== "outbound")
      .map((item) => ({
        id: String(item["id"]),
        name: typeof item["name"] === "string" ? item["name"] : String(item["id"]),
        language: typeof item["language"] === "string" ? item["language"] : null,
      }));
  } catch {
    return null; // the call itself will say what is wrong with the server
  }
}

/** Posts the offer (WHIP's shape: SDP in, 201 with SDP and Location out). */
export async function placeCall(agent: string | null, sdp: string, bearer: string | null): Promise<Answered> {
  const query = agent === null ? "" : `?agent=${encodeURIComponent(agent)}`;
  let response: Response;
  try {
    response = await ask(`/v1/calls${query}`, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", Accept: "application/sdp", ...authorization(bearer) },
      body: sdp,
    });
  } catch {
    throw new Stopped(trouble("server_unreachable"));
  }
  if (response.status !== 201) throw new Stopped(refusalTrouble(await readProblem(response)));
  return answerOf(response);
}

/**
 * A new connection for a call that is running: after a reload, or on another network. "over": there is nothing
 * left to come back to. Throws where nobody answers just now.
 */
export async function comeBack(call: Pick<Answered, "resume">, sdp: string): Promise<Answered | "over"> {
  const response = await ask("/v1/calls", {
    method: "POST",
    headers: { "Content-Type": "application/sdp", Accept: "application/sdp", "X-Resume": call.resume },
    body: sdp,
  });
  if ([401, 403, 404, 409, 410].includes(response.status)) return "over";
  if (response.status !== 201) throw new Error(`coming back: ${response.status}`);
  return answerOf(response);
}

async function answerOf(response: Response): Promise<Answered> {
  const location = response.headers.get("Location") ?? "";
  const resume = response.headers.get("X-Resume");
  const callId = location.split("/").pop();
  if (!callId || resume === null) throw new Stopped(trouble("server_error", "The answer names no call."));
  return {
    callId,
    location: new URL(location, response.url).pathname,
    resume,
    sdp: await response.text(),
    iceServers: iceServers(response.headers.get("Link")),
  };
}

/** Hangs up; idempotent there. `keepalive` lets the request outlive the page. Never throws. */
export async function hangUp(call: Answered): Promise<void> {
  try {
    await ask(call.location, { method: "DELETE", headers: authorization(call.resume), keepalive: true });
  } catch {
    // The switchboard notices the silent peer by itself.
  }
}

/** The call's events after `seq` (all for -1), page by page. Throws where the server cannot say. */
export async function eventsAfter(call: Answered, seq: number): Promise<readonly Envelope[]> {
  const events: Envelope[] = [];
  for (let after = seq; ; ) {
    const response = await ask(`${call.location}/events?after=${after}`, { headers: authorization(call.resume) });
    if (!response.ok) throw new Error(`events: ${response.status}`);
    const page = (await response.json()) as { items?: unknown[]; next?: unknown };
    const found = (page.items ?? []).map(readEnvelope).filter((event) => event !== null);
    events.push(...found);
    const last = found.at(-1)?.seq;
    if (page.next == null || typeof last !== "number" || last <= after) return events;
    after = last;
  }
}

/** Presses a key for the caller where the media cannot carry it. False: this switchboard does not take it. */
export async function sendDigit(call: Answered, digit: string): Promise<boolean> {
  try {
    const response = await ask(`${call.location}/dtmf`, {
      method: "POST",
      headers: { "Content-Type": "application/json", ...authorization(call.resume) },
      body: JSON.stringify({ digits: digit }),
    });
    return response.ok;
  } catch {
    return false;
  }
}

/** RFC 9725 4.6: `Link: <turn:host?transport=udp>; rel="ice-server"; username="u"; credential="c"`. */
export function iceServers(link: string | null): readonly RTCIceServer[] {
  const servers: RTCIceServer[] = [];
  for (const [, url, parameters] of (link ?? "").matchAll(/<([^>]*)>((?:\s*;\s*[\w-]+=(?:"[^"]*"|[^",;\s]*))*)/g)) {
    const named = new Map<string, string>();
    for (const [, name, quoted, plain] of (parameters ?? "").matchAll(/([\w-]+)=(?:"([^"]*)"|([^",;\s]*))/g)) {
      named.set(name ?? "", quoted ?? plain ?? "");
    }
    if (url === undefined || named.get("rel") !== "ice-server") continue;
    const username = named.get("username");
    const credential = named.get("credential");
    servers.push({ urls: url, ...(username !== undefined && credential !== undefined ? { username, credential } : {}) });
  }
  return servers;
}

/** Without cookies: who is signed in to the console in this browser is nobody in particular on the phone. */
function ask(path: string, request: RequestInit): Promise<Response> {
  return fetch(path, { ...request, credentials: "omit" });
}

function authorization(bearer: string | null): Record<string, string> {
  return bearer === null ? {} : { Authorization: `Bearer ${bearer}` };
}
