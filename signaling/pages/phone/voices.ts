/**
 * Who is talking: samples both directions of the call and says it in signals.
 *
 * The meters read `yourLevel` and `agentLevel` as they draw; the words follow the signals, which change
 * only when somebody starts or stops.
 */
import { batch, effect, signal } from "@preact/signals";
import { LevelMeter, SpeechGate } from "../shared/level";
import { isTalking } from "./call";
import type { Line } from "./line";

const SAMPLE_MS = 60;
/** Silence of a caller who has not been heard once, while nobody else speaks, before we ask about it. */
const NOT_HEARD_MS = 8_000;

export class Voices {
  readonly youSpeak = signal(false);
  readonly agentSpeaks = signal(false);
  /** The microphone brings nothing at all. */
  readonly notHeard = signal(false);
  yourLevel = 0;
  agentLevel = 0;

  readonly #line: Line;
  #context: AudioContext | null = null;

  constructor(line: Line) {
    this.#line = line;
    effect(() => {
      const microphone = line.microphone.value;
      const voice = line.voice.value;
      if (microphone === null || voice === null) return this.#reset();
      return this.#watch(microphone, voice);
    });
  }

  #watch(microphone: MediaStream, voice: MediaStream): () => void {
    this.#context ??= new AudioContext();
    void this.#context.resume();
    const you = new LevelMeter(this.#context, microphone);
    const agent = new LevelMeter(this.#context, voice);
    const yourGate = new SpeechGate();
    const agentGate = new SpeechGate();
    let everHeard = false;
    let silentMs = 0;
    const timer = setInterval(() => {
      const now = performance.now();
      this.yourLevel = you.read();
      this.agentLevel = agent.read();
      everHeard ||= this.yourLevel > 0;
      batch(() => {
        this.youSpeak.value = yourGate.receive(this.yourLevel, now) && !this.#line.muted.peek();
        this.agentSpeaks.value = agentGate.receive(this.agentLevel, now);
        const waiting = isTalking(this.#line.call.peek()) && !this.#line.muted.peek() && !this.agentSpeaks.peek();
        if (waiting) silentMs += SAMPLE_MS;
        this.notHeard.value = !everHeard && silentMs >= NOT_HEARD_MS;
      });
    }, SAMPLE_MS);
    return () => {
      clearInterval(timer);
      you.close();
      agent.close();
      this.#reset();
    };
  }

  #reset(): void {
    this.yourLevel = this.agentLevel = 0;
    batch(() => {
      this.youSpeak.value = this.agentSpeaks.value = this.notHeard.value = false;
    });
  }
}
