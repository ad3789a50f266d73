/**
 * The live feed of one call over a WebSocket: ordered, complete, and back by itself after a break.
 *
 * Order of calls: `open()` once, `close()` once; everything else comes through the callbacks. The first
 * message is a snapshot; what happened before it is fetched over HTTP, so the page misses nothing said
 * while the socket was still opening.
 */
import { readMessage, type Envelope } from "./envelope";
import { Sequence } from "./sequence";

/** Waits between attempts in ms: a dropped socket is back before it is noticed, a dead server is spared. */
export const RETRY_MS = [250, 500, 1000, 2000, 5000] as const;

export interface CallFeedOptions {
  readonly callId: string;
  /** A token good for this call's events; sent as `?ticket=`, since a browser cannot set a header here. */
  readonly ticket: string;
  /** Fetches the events after `seq` (all of them for -1). Throws where that does not work just now. */
  readonly missed: (seq: number) => Promise<readonly Envelope[]>;
  readonly onEvent: (event: Envelope) => void;
  /** false from the moment the feed is down until it is back. */
  readonly onState: (up: boolean) => void;
}

export class CallFeed {
  readonly #options: CallFeedOptions;
  readonly #sequence = new Sequence();
  #socket: WebSocket | null = null;
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #fetching = false;
  #closed = false;

  constructor(options: CallFeedOptions) {
    this.#options = options;
  }

  open(): void {
    const address = new URL("/v1/events", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    address.searchParams.set("topics", `call:${this.#options.callId}`);
    address.searchParams.set("ticket", this.#options.ticket);
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.onmessage = (message) => {
      if (typeof message.data === "string") this.#receive(message.data);
    };
    socket.onclose = () => this.#lost();
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#retry);
    this.#socket?.close();
  }

  #receive(text: string): void {
    const message = readMessage(text);
    if (message === null || this.#closed) return;
    switch (message.kind) {
      case "snapshot":
        this.#attempt = 0;
        this.#options.onState(true);
        this.#sequence.expect(message.snapshot.last_seq[this.#options.callId] ?? -1);
        break;
      case "resync":
        this.#sequence.expect(Number.POSITIVE_INFINITY);
        break;
      case "event":
        this.#show(this.#sequence.receive(message.event));
        break;
    }
    if (this.#sequence.missingAfter !== null) void this.#fetchMissed();
  }

  async #fetchMissed(): Promise<void> {
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      while (this.#sequence.missingAfter !== null) {
        const events = await this.#options.missed(this.#sequence.last);
        if (this.#closed) return;
        this.#show(this.#sequence.fill(events));
      }
    } catch {
      // The next event or snapshot asks again; what is waiting stays waiting.
    } finally {
      this.#fetching = false;
    }
  }

  #show(events: readonly Envelope[]): void {
    for (const event of events) this.#options.onEvent(event);
  }

  #lost(): void {
    if (this.#closed) return;
    this.#options.onState(false);
    const wait = RETRY_MS[Math.min(this.#attempt, RETRY_MS.length - 1)] ?? 5000;
    this.#attempt += 1;
    this.#retry = setTimeout(() => this.open(), wait);
  }
}
