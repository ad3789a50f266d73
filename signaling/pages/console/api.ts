/** The doors that the console uses, with the session's cookie and its csrf value. Refusals are thrown as `Refused`. */
import { readEnvelope, type Envelope } from "../shared/envelope";
import { readProblem } from "../shared/problem";

export interface Me {
  readonly id: string;
  readonly name: string;
  readonly role: string;
  readonly language: string | null;
  readonly csrf: string;
}

export type Presence = "available" | "busy" | "wrap_up" | "offline";

export interface Operator {
  readonly id: string;
  readonly name: string;
  readonly state: Presence;
  readonly handoff_id: string | null;
  readonly why: string | null;
}

/** The switchboard said no, or nothing. `code` chooses the words. */
export class Refused extends Error {
  constructor(
    readonly code: string,
    readonly detail: string | null = null,
    /** Whom it is about, where the server says so. */
    readonly name_: string | null = null,
    readonly retryAfterS: number | null = null,
  ) {
    super(code);
  }
}

export interface Joined {
  readonly sdp: string;
  readonly handoffId: string | null;
}

export class Api {
  #csrf: string | null = null;
  /** The session is over: sign in again. */
  onSignedOut: () => void = () => undefined;

  /** Who is signed in already; null: nobody. */
  async whoAmI(): Promise<Me | null> {
    const response = await this.#fetch("/v1/session", {});
    return response.status === 401 ? null : this.#me(await this.#good(response));
  }

  async signIn(id: string, password: string): Promise<Me> {
    const response = await this.#fetch("/v1/session", json("POST", { id, password }));
    return this.#me(await this.#good(response, false));
  }

  async signOut(): Promise<void> {
    await this.#fetch("/v1/session", { method: "DELETE" });
    this.#csrf = null;
  }

  async operators(): Promise<readonly Operator[]> {
    const page = (await (await this.#send("/v1/operators", {})).json()) as { items: Operator[] };
    return page.items;
  }

  async setPresence(state: Presence): Promise<Operator> {
    return (await (await this.#send("/v1/me/presence", json("PUT", { state }))).json()) as Operator;
  }

  /** The page is going away: no answer is waited for. */
  leave(): void {
    const body = json("PUT", { state: "offline" });
    void fetch("/v1/me/presence", { ...body, headers: this.#headers(body), keepalive: true }).catch(() => undefined);
  }

  /** Puts an operator's leg on a call: an offer in, an answer out. */
  async join(path: string, sdp: string): Promise<Joined> {
    const response = await this.#send(path, {
      method: "POST",
      headers: { "Content-Type": "application/sdp", Accept: "application/sdp" },
      body: sdp,
    });
    return { sdp: await response.text(), handoffId: response.headers.get("X-Handoff") };
  }

  async decline(handoffId: string, offerId: string | null): Promise<void> {
    await this.#send(`/v1/handoffs/${handoffId}/decline`, json("POST", offerId === null ? {} : { offer_id: offerId }));
  }

  async wrapUp(handoffId: string, outcome: string | null, notes: string): Promise<void> {
    await this.#send(`/v1/handoffs/${handoffId}/wrap-up`, json("POST", { outcome, notes }));
  }

  async change(callId: string, what: { muted?: boolean; hold?: boolean }): Promise<void> {
    await this.#send(`/v1/calls/${callId}/operator`, json("PATCH", what));
  }

  async stopListening(callId: string): Promise<void> {
    await this.#send(`/v1/calls/${callId}/operator`, { method: "DELETE" });
  }

  async giveBack(callId: string, note: string): Promise<void> {
    await this.#send(`/v1/calls/${callId}/return`, json("POST", { note }));
  }

  async whisper(callId: string, text: string): Promise<void> {
    await this.#send(`/v1/calls/${callId}/say`, json("POST", { text }));
  }

  async end(callId: string): Promise<void> {
    await this.#send(`/v1/calls/${callId}`, { method: "DELETE" });
  }

  /** One page of a call's events after `seq`, in order, and whether more follow. */
  async eventsAfter(callId: string, seq: number): Promise<readonly Envelope[]> {
    const events: Envelope[] = [];
    for (let after = seq; ; ) {
      const response = await this.#send(`/v1/calls/${callId}/events?after=${after}`, {});
      const page = (await response.json()) as { items?: unknown[]; next?: unknown };
      const found = (page.items ?? []).map(readEnvelope).filter((event) => event !== null);
      events.push(...found);
      const last = found.at(-1)?.seq;
      if (page.next == null || typeof last !== "number" || last <= after) return events;
      after = last;
    }
  }

  async #send(path: string, request: RequestInit): Promise<Response> {
    return this.#good(await this.#fetch(path, { ...request, headers: this.#headers(request) }));
  }

  async #fetch(path: string, request: RequestInit): Promise<Response> {
    try {
      return await fetch(path, request);
    } catch {
      throw new Refused("server_unreachable");
    }
  }

  #headers(request: RequestInit): Record<string, string> {
    const given = (request.headers ?? {}) as Record<string, string>;
    return this.#csrf === null || request.method === undefined ? given : { ...given, "X-CSRF": this.#csrf };
  }

  async #good(response: Response, signedIn = true): Promise<Response> {
    if (response.ok) return response;
    const problem = await readProblem(response);
    if (response.status === 401 && signedIn) this.onSignedOut();
    throw new Refused(problem.code ?? `http_${response.status}`, problem.detail, problem.who ?? null, problem.retryAfterS);
  }

  async #me(response: Response): Promise<Me> {
    const session = (await response.json()) as Record<string, string | null>;
    this.#csrf = session["csrf"] ?? null;
    const id = session["subject"] ?? "";
    return {
      id, name: session["name"] ?? id, role: session["role"] ?? "", language: session["language"] ?? null,
      csrf: this.#csrf ?? "",
    };
  }
}

function json(method: string, body: unknown): RequestInit {
  return { method, headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
}
