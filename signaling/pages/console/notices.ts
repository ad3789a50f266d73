/** Short messages at the edge of the page. Bounded: the oldest goes. */
import { signal } from "@preact/signals";

export type Notice =
  /** Something that was asked for did not work. */
  | { readonly kind: "problem"; readonly code: string; readonly name: string | null; readonly detail: string | null }
  /** A colleague answered what rang or waited. */
  | { readonly kind: "answered"; readonly caller: string | null; readonly operator: string }
  /** It rang here and nobody answered: the desk has set this person to busy. */
  | { readonly kind: "missed"; readonly caller: string | null }
  | { readonly kind: "lost_to_agent"; readonly caller: string | null }
  | { readonly kind: "whispered" }
  | { readonly kind: "noted" };

export interface Shown {
  readonly id: number;
  readonly notice: Notice;
}

const SHOWN_LIMIT = 4;
const SHOWN_MS: Readonly<Record<Notice["kind"], number>> = {
  problem: 10_000, answered: 6_000, missed: Infinity, lost_to_agent: 15_000, whispered: 4_000, noted: 4_000,
};

export class Notices {
  readonly shown = signal<readonly Shown[]>([]);
  #next = 0;

  say(notice: Notice): void {
    const id = ++this.#next;
    const others = this.shown.value.filter((each) => each.notice.kind !== notice.kind || notice.kind === "answered");
    this.shown.value = [...others, { id, notice }].slice(-SHOWN_LIMIT);
    if (SHOWN_MS[notice.kind] < Infinity) setTimeout(() => this.dismiss(id), SHOWN_MS[notice.kind]);
  }

  dismiss(id: number): void {
    this.shown.value = this.shown.value.filter((each) => each.id !== id);
  }

  withdraw(kind: Notice["kind"]): void {
    this.shown.value = this.shown.value.filter((each) => each.notice.kind !== kind);
  }
}
