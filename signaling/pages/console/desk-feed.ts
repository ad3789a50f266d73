/**
 * The live feed of all calls: a snapshot, then every event, and back by itself after a break.
 *
 * The session's cookie signs in. Where the server had to drop messages for us it says "resync": then a new
 * connection brings a new snapshot, which is quicker than asking for every call's gap.
 */
import { readMessage, type Envelope, type Snapshot } from "../shared/envelope";
import { RETRY_MS } from "../shared/live";

/** The server's close code when the session has expired (4000-4999 are private, RFC 6455 7.4.2). */
const CREDENTIALS_EXPIRED = 4401;

export interface DeskFeedOptions {
  readonly onSnapshot: (snapshot: Snapshot) => void;
  readonly onEvent: (event: Envelope) => void;
  readonly onState: (up: boolean) => void;
  readonly onExpired: () => void;
}

export class DeskFeed {
  readonly #options: DeskFeedOptions;
  #socket: WebSocket | null = null;
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #closed = false;

  constructor(options: DeskFeedOptions) {
    this.#options = options;
    addEventListener("online", () => this.#attempt > 0 && this.#again(0));
  }

  open(): void {
    const address = new URL("/v1/events?topics=calls,handoffs", location.href);
    address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.onmessage = (message) => {
      if (socket === this.#socket && typeof message.data === "string") this.#receive(message.data);
    };
    socket.onclose = (event) => {
      if (socket === this.#socket) this.#lost(event.code);
    };
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
        this.#options.onSnapshot(message.snapshot);
        this.#options.onState(true);
        break;
      case "resync":
        this.#again(0);
        break;
      case "event":
        this.#options.onEvent(message.event);
        break;
    }
  }

  #lost(code: number): void {
    if (this.#closed) return;
    this.#options.onState(false);
    if (code === CREDENTIALS_EXPIRED) return this.#options.onExpired();
    const wait = RETRY_MS[Math.min(this.#attempt, RETRY_MS.length - 1)] ?? 5000;
    this.#attempt += 1;
    this.#again(wait);
  }

  #again(waitMs: number): void {
    const old = this.#socket;
    this.#socket = null;
    old?.close();
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => {
      if (!this.#closed) this.open();
    }, waitMs);
  }
}
