/**
 * The operator's own leg on a call: microphone, voice path, and coming back when the path is lost.
 *
 * One at a time. Another call, or another part on the same call (listening first, then taking over), is a new
 * leg; the server replaces the old one in the same step, so that nothing is silent in between.
 */
import { batch, signal } from "@preact/signals";
import { LevelMeter } from "../shared/level";
import { openMicrophone } from "../shared/microphone";
import { Peer } from "../shared/peer";
import { Refused, type Joined } from "./api";

/** What one does on the call: hears it, talks with both, or talks instead of the agent. */
export type Part = "listen" | "barge" | "talk";

export type LegState =
  | { readonly at: "none" }
  | { readonly at: "asking_mic" | "connecting" | "up" | "lost"; readonly callId: string; readonly part: Part };

export interface LegDoors {
  /** Posts the offer of a new leg. */
  readonly join: (callId: string, part: Part, sdp: string) => Promise<Joined>;
  /** Posts the offer of a leg that replaces a lost one. */
  readonly comeBack: (callId: string, sdp: string) => Promise<Joined>;
}

/** A path that is gone often comes back by itself within this time; after it a new one is made. */
const NEW_PATH_AFTER_MS = 1_000;
const COME_BACK_EVERY_MS = 1_000;
/** Of the server: a refusal with one of these means that there is nothing left to come back to. */
const OVER = new Set(["unknown_call", "not_on_call", "call_over", "not_allowed"]);

export class Leg {
  readonly state = signal<LegState>({ at: "none" });
  readonly muted = signal(false);
  /** The browser holds the sound back until somebody clicks. */
  readonly blocked = signal(false);
  /** Always in the page: a stream that no element plays is not decoded at all. */
  readonly speaker = new Audio();
  readonly #doors: LegDoors;
  #microphone: MediaStream | null = null;
  #peer: Peer | null = null;
  #context: AudioContext | null = null;
  #mine: LevelMeter | null = null;
  #theirs: LevelMeter | null = null;
  #turn = 0; // of joining: an answer that comes late finds another number

  constructor(doors: LegDoors) {
    this.#doors = doors;
    addEventListener("online", () => {
      if (this.state.value.at === "up") this.#interrupted(this.#peer, true);
    });
  }

  /** Loudness of this moment, 0…1. */
  get myLevel(): number {
    return this.muted.value ? 0 : (this.#mine?.read() ?? 0);
  }

  get theirLevel(): number {
    return this.#theirs?.read() ?? 0;
  }

  /** On which call, and as what; null: on none. */
  get on(): { readonly callId: string; readonly part: Part } | null {
    const state = this.state.value;
    return state.at === "none" ? null : state;
  }

  /** Joins a call. Throws MicrophoneRefused or Refused; a leg that was there before is kept then. */
  async join(callId: string, part: Part, again = false): Promise<Joined | null> {
    const turn = ++this.#turn;
    const before = this.state.value;
    this.state.value = { at: "asking_mic", callId, part };
    try {
      const microphone = part === "listen" ? null : await this.#openMicrophone();
      if (turn !== this.#turn) return null;
      this.state.value = { at: "connecting", callId, part };
      this.mute(false);
      return await this.#connect(turn, microphone, (sdp) =>
        again ? this.#doors.comeBack(callId, sdp) : this.#doors.join(callId, part, sdp));
    } catch (error) {
      if (turn === this.#turn) {
        if (before.at === "up") this.state.value = before;
        else this.drop();
      }
      throw error;
    }
  }

  mute(muted: boolean): void {
    this.muted.value = muted;
    for (const track of this.#microphone?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  /** The leg is over here, whatever the server does with its end. Idempotent. */
  drop(): void {
    this.#turn += 1;
    this.#peer?.close();
    for (const track of this.#microphone?.getTracks() ?? []) track.stop();
    this.#mine?.close();
    this.#theirs?.close();
    this.#peer = this.#microphone = this.#mine = this.#theirs = null;
    this.speaker.srcObject = null;
    batch(() => {
      this.state.value = { at: "none" };
      this.muted.value = this.blocked.value = false;
    });
  }

  /** Another microphone from now on. */
  async changeMicrophone(): Promise<void> {
    if (this.#peer === null || this.#microphone === null) return;
    const old = this.#microphone;
    const stream = await openMicrophone();
    this.#microphone = stream;
    this.mute(this.muted.value);
    await this.#peer.useMicrophone(stream);
    for (const track of old.getTracks()) track.stop();
    this.#mine?.close();
    this.#mine = this.#meter(stream);
  }

  play(): void {
    this.speaker.play().then(
      () => (this.blocked.value = false),
      (error: unknown) => {
        if (error instanceof Error && error.name === "NotAllowedError") this.blocked.value = true;
      },
    );
  }

  async #openMicrophone(): Promise<MediaStream> {
    if (this.#microphone !== null) return this.#microphone;
    const stream = await openMicrophone();
    this.#microphone = stream;
    this.#mine = this.#meter(stream);
    return stream;
  }

  async #connect(turn: number, microphone: MediaStream | null, post: (sdp: string) => Promise<Joined>): Promise<Joined | null> {
    const peer: Peer = new Peer({
      onSecuring: () => undefined,
      onConnected: () => peer === this.#peer && this.#to("up"),
      onInterrupted: (broken) => peer === this.#peer && this.#interrupted(peer, broken),
      onClosed: () => peer === this.#peer && this.#interrupted(peer, true),
      onStream: (stream) => peer === this.#peer && this.#hear(stream),
    });
    try {
      const offer = await peer.offer(microphone, false);
      const joined = await post(offer.sdp ?? "");
      if (turn !== this.#turn) {
        peer.close();
        return null;
      }
      this.#peer?.close();
      this.#peer = peer;
      await peer.accept(offer, joined.sdp, []);
      return joined;
    } catch (error) {
      peer.close();
      throw error;
    }
  }

  #to(at: "up" | "lost"): void {
    const on = this.on;
    if (on !== null) this.state.value = { at, callId: on.callId, part: on.part };
  }

  #interrupted(peer: Peer | null, broken: boolean): void {
    if (peer === null || peer !== this.#peer) return;
    this.#to("lost");
    const turn = this.#turn;
    setTimeout(() => {
      if (turn === this.#turn && peer === this.#peer && this.state.value.at === "lost") void this.#comeBack(turn);
    }, broken ? 0 : NEW_PATH_AFTER_MS);
  }

  async #comeBack(turn: number): Promise<void> {
    const on = this.on;
    while (turn === this.#turn && on !== null) {
      try {
        await this.#connect(turn, this.#microphone, (sdp) => this.#doors.comeBack(on.callId, sdp));
        return;
      } catch (error) {
        if (error instanceof Refused && OVER.has(error.code)) {
          if (turn === this.#turn) this.drop();
          return;
        }
        await new Promise((resolve) => setTimeout(resolve, COME_BACK_EVERY_MS));
      }
    }
  }

  #hear(stream: MediaStream): void {
    this.speaker.srcObject = stream;
    this.#theirs?.close();
    this.#theirs = this.#meter(stream);
    this.play();
  }

  #meter(stream: MediaStream): LevelMeter {
    this.#context ??= new AudioContext();
    void this.#context.resume();
    return new LevelMeter(this.#context, stream);
  }
}
