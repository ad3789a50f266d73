/** A call rings: sound, a notification where allowed, and the tab's title. */

const REMEMBERED = "cordboard.ring";
/** Two notes a sixth apart, twice a second, then a pause: heard over a room, unlike any call-waiting tone. */
const NOTES_HZ = [659, 523] as const;
const NOTE_S = 0.16;
const EVERY_MS = 2_400;

export class Ring {
  #context: AudioContext | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;
  #notification: Notification | null = null;
  #loud = localStorage.getItem(REMEMBERED) !== "off";

  get loud(): boolean {
    return this.#loud;
  }

  set loud(loud: boolean) {
    this.#loud = loud;
    localStorage.setItem(REMEMBERED, loud ? "on" : "off");
    if (!loud) this.#silent();
  }

  /** A click or a key is the leave to sound that browsers ask for. Call it from one. */
  allow(): void {
    this.#context ??= new AudioContext();
    void this.#context.resume();
  }

  /** Rings until `stop`. `title` and `body` are for the notification. */
  start(title: string, body: string, onClick: () => void): void {
    this.stop();
    if (this.#loud) {
      this.sound();
      this.#timer = setInterval(() => this.sound(), EVERY_MS);
    }
    if ("Notification" in window && Notification.permission === "granted" && document.hidden) {
      this.#notification = new Notification(title, { body, tag: "cordboard-handoff", requireInteraction: true });
      this.#notification.onclick = () => {
        window.focus();
        onClick();
      };
    }
  }

  stop(): void {
    this.#silent();
    this.#notification?.close();
    this.#notification = null;
  }

  /** The ring once. */
  sound(): void {
    this.allow();
    const context = this.#context;
    if (context === null || context.state === "suspended") return; // nobody has touched the page yet
    for (let note = 0; note < 4; note++) {
      const from = context.currentTime + note * NOTE_S * 1.15;
      const gain = context.createGain();
      gain.gain.setValueAtTime(0, from);
      gain.gain.linearRampToValueAtTime(0.25, from + 0.015);
      gain.gain.exponentialRampToValueAtTime(0.001, from + NOTE_S);
      const tone = context.createOscillator();
      tone.frequency.value = NOTES_HZ[note % 2] ?? 523;
      tone.connect(gain).connect(context.destination);
      tone.start(from);
      tone.stop(from + NOTE_S);
    }
  }

  #silent(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
