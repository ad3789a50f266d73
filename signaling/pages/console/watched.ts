/** The transcript of the one call that is open on the page: what was said before, then what is heard now. */
import { signal } from "@preact/signals";
import type { Envelope } from "../shared/envelope";
import { Sequence } from "../shared/sequence";
import * as transcript from "../shared/transcript";

export class Watched {
  readonly lines = signal<transcript.Transcript>([]);
  /** The events before this moment could not be fetched (yet). */
  readonly incomplete = signal(false);
  readonly recorded = signal(false);
  /** What each goal needs, as the call's first event says. */
  readonly required = signal<Readonly<Record<string, readonly string[]>>>({});
  readonly #missed: (seq: number) => Promise<readonly Envelope[]>;
  readonly #sequence = new Sequence();
  #fetching = false;
  #closed = false;

  constructor(readonly callId: string, missed: (seq: number) => Promise<readonly Envelope[]>) {
    this.#missed = missed;
  }

  /** Events up to `seq` exist; those that are not known yet are fetched. */
  expect(seq: number): void {
    this.#sequence.expect(seq);
    void this.#fetch();
  }

  receive(event: Envelope): void {
    if (event.call_id !== this.callId || this.#closed) return;
    this.#show(this.#sequence.receive(event));
    void this.#fetch();
  }

  close(): void {
    this.#closed = true;
  }

  async #fetch(): Promise<void> {
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      while (this.#sequence.missingAfter !== null && !this.#closed) {
        this.#show(this.#sequence.fill(await this.#missed(this.#sequence.last)));
      }
      this.incomplete.value = false;
    } catch {
      this.incomplete.value = true; // the next event asks again
    } finally {
      this.#fetching = false;
    }
  }

  #show(events: readonly Envelope[]): void {
    let lines = this.lines.value;
    for (const event of events) {
      lines = transcript.receive(lines, event);
      if (event.type === "recording.started") this.recorded.value = true;
      if (["recording.finished", "recording.deleted", "call.ended"].includes(event.type)) this.recorded.value = false;
      if (event.type === "call.started") this.required.value = needs(event.data["required_slots"]);
    }
    this.lines.value = lines;
  }
}

function needs(slots: unknown): Readonly<Record<string, readonly string[]>> {
  return typeof slots === "object" && slots !== null ? (slots as Record<string, string[]>) : {};
}
