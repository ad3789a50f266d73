/**
 * Puts one call's numbered events in order, once each, and says when some are missing.
 *
 * The rule is the contract's: seq ≤ last → ignore; seq > last + 1 → fetch what is missing, then go on.
 * Pure: `receive` and `fill` return what may be shown now; `missingAfter` says whether to fetch.
 */
import type { Envelope } from "./envelope";

/** Events kept while a gap is being fetched; beyond it the oldest go, since the fetch brings them anyway. */
const WAITING_LIMIT = 500;

export class Sequence {
  #last: number;
  #waiting: Envelope[] = [];
  #missing = false;

  /** `last` is the number already known; -1 asks for the call from its first event. */
  constructor(last = -1) {
    this.#last = last;
  }

  get last(): number {
    return this.#last;
  }

  /** The number after which events are missing, or null where nothing is. */
  get missingAfter(): number | null {
    return this.#missing ? this.#last : null;
  }

  receive(event: Envelope): Envelope[] {
    if (typeof event.seq !== "number") return [event];
    if (event.seq <= this.#last) return [];
    if (event.seq === this.#last + 1) {
      this.#last = event.seq;
      return [event, ...this.#released()];
    }
    this.#waiting.push(event);
    if (this.#waiting.length > WAITING_LIMIT) this.#waiting.shift();
    this.#missing = true;
    return [];
  }

  /** Someone else knows that events up to `seq` exist (a snapshot). */
  expect(seq: number): void {
    if (seq > this.#last) this.#missing = true;
  }

  /**
   * What a fetch after `last` brought, in order. Look at `missingAfter` again afterwards: events may have
   * been lost while it ran. A gap that the fetch itself has is given up: late words beat no words.
   */
  fill(events: readonly Envelope[]): Envelope[] {
    const shown = this.#newOf(events);
    if (shown.length === 0) shown.push(...this.#newOf(this.#waiting.splice(0)));
    else shown.push(...this.#released());
    this.#missing = this.#waiting.length > 0;
    return shown;
  }

  #newOf(events: readonly Envelope[]): Envelope[] {
    const shown: Envelope[] = [];
    for (const event of [...events].sort(bySeq)) {
      if (typeof event.seq !== "number" || event.seq <= this.#last) continue;
      this.#last = event.seq;
      shown.push(event);
    }
    return shown;
  }

  #released(): Envelope[] {
    const shown: Envelope[] = [];
    this.#waiting.sort(bySeq);
    let next = this.#waiting[0];
    while (next !== undefined && (next.seq ?? 0) <= this.#last + 1) {
      this.#waiting.shift();
      if (next.seq === this.#last + 1) {
        this.#last += 1;
        shown.push(next);
      }
      next = this.#waiting[0];
    }
    if (this.#waiting.length === 0) this.#missing = false;
    return shown;
  }
}

function bySeq(one: Envelope, other: Envelope): number {
  return (one.seq ?? 0) - (other.seq ?? 0);
}
