/**
 * Which of a person's tabs rings and talks: the one that holds a Web Lock.
 *
 * The first tab gets it, the next one in line when that is closed or crashes. "Move audio here" takes it away
 * (`steal`); the tab that loses it lets go of microphone and voice and stands in line again.
 */
import { signal } from "@preact/signals";

export class AudioTab {
  /** This is the tab. */
  readonly here = signal(false);
  /** Another tab has taken the audio over. */
  onLost: () => void = () => undefined;
  onGained: () => void = () => undefined;
  readonly #name: string;

  constructor(person: string) {
    this.#name = `cordboard.console.${person}`;
  }

  /** Stand in line. Without Web Locks (an insecure page) every tab is the one. */
  start(): void {
    if (navigator.locks === undefined) this.#gained();
    else this.#request({});
  }

  /** Take the audio from whichever tab has it. */
  move(): void {
    if (!this.here.value && navigator.locks !== undefined) this.#request({ steal: true });
  }

  #request(options: LockOptions): void {
    navigator.locks
      .request(this.#name, options, () => {
        this.#gained();
        return new Promise<never>(() => undefined); // kept until the page ends or another tab steals it
      })
      .catch(() => {
        if (!this.here.value) return;
        this.here.value = false;
        this.onLost();
        this.#request({});
      });
  }

  #gained(): void {
    if (this.here.value) return;
    this.here.value = true;
    this.onGained();
  }
}
