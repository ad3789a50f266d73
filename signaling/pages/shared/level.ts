/**
 * How loud a stream is, and whether that is somebody speaking.
 *
 * `LevelMeter` reads an audio graph; `SpeechGate` is pure and turns levels into "speaking" with a
 * little patience, so that the word does not flicker between syllables.
 */

/** Anything below is a quiet room: −50 dBFS, where a headset's own noise ends. */
const QUIET_DB = -50;
/** Full scale of the meter: speech peaks near −10 dBFS, and a meter that never fills looks broken. */
const LOUD_DB = -10;

/** Root mean square of samples (−1…1) as 0…1 on a decibel scale, which is how loudness is felt. */
export function loudness(rms: number): number {
  if (rms <= 0) return 0;
  const db = 20 * Math.log10(rms);
  return Math.min(1, Math.max(0, (db - QUIET_DB) / (LOUD_DB - QUIET_DB)));
}

export class LevelMeter {
  readonly #analyser: AnalyserNode;
  readonly #source: MediaStreamAudioSourceNode;
  readonly #samples: Float32Array<ArrayBuffer>;

  constructor(context: AudioContext, stream: MediaStream) {
    this.#analyser = context.createAnalyser();
    this.#analyser.fftSize = 1024; // 21 ms at 48 kHz: one glance is about one packet
    this.#samples = new Float32Array(this.#analyser.fftSize);
    this.#source = context.createMediaStreamSource(stream);
    this.#source.connect(this.#analyser);
  }

  /** Loudness of this moment, 0…1. */
  read(): number {
    this.#analyser.getFloatTimeDomainData(this.#samples);
    let sum = 0;
    for (const sample of this.#samples) sum += sample * sample;
    return loudness(Math.sqrt(sum / this.#samples.length));
  }

  close(): void {
    this.#source.disconnect();
  }
}

/** Level from which a sound counts as speech, and how long a pause within speech may last. */
const SPEECH_LEVEL = 0.3;
const PAUSE_MS = 450;

export class SpeechGate {
  #lastLoudMs: number | null = null;

  /** `level` 0…1 at `nowMs`; true while somebody is speaking. */
  receive(level: number, nowMs: number): boolean {
    if (level >= SPEECH_LEVEL) this.#lastLoudMs = nowMs;
    return this.#lastLoudMs !== null && nowMs - this.#lastLoudMs <= PAUSE_MS;
  }
}
