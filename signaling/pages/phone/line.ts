/**
 * The phone's line: the place where state machine, microphone, voice path and live feed meet.
 *
 * Components read its signals and press its buttons. One `Attempt` holds everything one call has open, so
 * that whatever way a call ends, one `close` frees it; an answer that comes late finds its attempt gone.
 */
import { signal } from "@preact/signals";
import type { Envelope } from "../shared/envelope";
import { known } from "../shared/envelope";
import { CallFeed } from "../shared/live";
import { IDLE, deadline, isTalking, isUp, receive, type Call, type CallEvent } from "./call";
import { openMicrophone, rememberMicrophone } from "./microphone";
import { Peer } from "./peer";
import { eventsAfter, hangUp, placeCall, sendDigit, type Answered } from "./switchboard";
import * as transcript from "./transcript";
import { Stopped, trouble } from "./trouble";

/** Things worth telling that do not stop the call. */
export type Notice = "feed_down" | "audio_blocked" | "mic_gone" | "keys_not_carried" | "model_gone";

/** Late words (a transcript of the last sentence) come within 5 s of the end; then the feed may go. */
const LATE_WORDS_MS = 6_000;
/** The feed tells why a call ended; where it does not within this time, the closed voice path is enough. */
const REASON_WAIT_MS = 1_500;
/** Events kept for the debug list. */
const EVENT_LIMIT = 400;

/** What one call has open. `close` is idempotent and frees the microphone at once. */
class Attempt {
  microphone: MediaStream | null = null;
  peer: Peer | null = null;
  feed: CallFeed | null = null;
  answered: Answered | null = null;
  live = true;

  close(): void {
    this.live = false;
    this.peer?.close();
    for (const track of this.microphone?.getTracks() ?? []) track.stop();
  }
}

export interface LineSettings {
  /** The secret to show the switchboard; null where it is open. */
  readonly bearer: () => string | null;
  /** The secret did its work (true) or is no good any more (false). */
  readonly bearerUsed: (accepted: boolean) => void;
  readonly agent: () => string | null;
  readonly phoneQuality: () => boolean;
}

export class Line {
  readonly call = signal<Call>(IDLE);
  readonly transcript = signal<transcript.Transcript>([]);
  readonly notices = signal<ReadonlySet<Notice>>(new Set());
  readonly muted = signal(false);
  readonly digits = signal("");
  readonly events = signal<readonly Envelope[]>([]);
  readonly microphone = signal<MediaStream | null>(null);
  readonly voice = signal<MediaStream | null>(null);
  /** Always in the page: a stream that no element plays is not decoded at all. */
  readonly speaker = new Audio();

  readonly #settings: LineSettings;
  #attempt: Attempt | null = null;
  #wake: ReturnType<typeof setTimeout> | undefined;

  constructor(settings: LineSettings) {
    this.#settings = settings;
    addEventListener("pagehide", () => {
      if (isUp(this.call.value)) this.hangUp();
    });
  }

  /** Calls. Does nothing while a call is up. */
  async start(): Promise<void> {
    if (isUp(this.call.value)) return;
    this.#attempt?.feed?.close();
    this.transcript.value = [];
    this.events.value = [];
    this.notices.value = new Set();
    this.muted.value = false;
    this.digits.value = "";
    const attempt = new Attempt();
    this.#attempt = attempt;
    this.#receive({ kind: "call_pressed" });
    try {
      await this.#connect(attempt);
    } catch (error) {
      if (!attempt.live) return;
      const why = error instanceof Stopped ? error.trouble : trouble("server_error", String(error));
      this.#receive({ kind: "broke", trouble: why });
    }
  }

  hangUp(): void {
    this.#receive({ kind: "ended", reason: "caller_hangup" });
  }

  mute(muted: boolean): void {
    this.muted.value = muted;
    for (const track of this.microphone.value?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  async press(digit: string): Promise<void> {
    const attempt = this.#attempt;
    if (!isTalking(this.call.value) || !attempt?.answered) return;
    this.digits.value = (this.digits.value + digit).slice(-32);
    const carried = attempt.peer?.sendDigit(digit) || (await sendDigit(attempt.answered, digit));
    if (!carried) this.#notice("keys_not_carried", true);
  }

  /** Another microphone, now or for the next call. Throws `Stopped` where it cannot be opened. */
  async chooseMicrophone(deviceId: string): Promise<void> {
    rememberMicrophone(deviceId);
    const attempt = this.#attempt;
    if (!attempt?.live || attempt.peer === null) return;
    const stream = await openMicrophone();
    if (!this.#keepMicrophone(attempt, stream)) return;
    await attempt.peer.useMicrophone(stream);
    this.#notice("mic_gone", false);
  }

  /** After "Click to hear": a click is the leave to play that the browser asked for. */
  play(): void {
    this.speaker.play().then(
      () => this.#notice("audio_blocked", false),
      (error: unknown) => {
        // AbortError: the stream was changed or taken away while starting, which is no refusal.
        if (error instanceof Error && error.name === "NotAllowedError") this.#notice("audio_blocked", true);
      },
    );
  }

  async quality(): Promise<import("./peer").LineQuality | null> {
    return isTalking(this.call.value) ? ((await this.#attempt?.peer?.quality()) ?? null) : null;
  }

  async #connect(attempt: Attempt): Promise<void> {
    const microphone = await openMicrophone();
    if (!this.#keepMicrophone(attempt, microphone)) return;
    this.#receive({ kind: "mic_granted" });

    const peer = new Peer({
      onStep: (step) => this.#receive({ kind: "step_reached", step }),
      onConnected: () => this.#receive({ kind: "media_connected" }),
      onInterrupted: () => this.#receive({ kind: "media_interrupted" }),
      onClosed: () => this.#closedByOtherSide(attempt),
      onStream: (stream) => this.#hear(stream),
    });
    attempt.peer = peer;
    const offer = await peer.offer(microphone, this.#settings.phoneQuality());
    const answered = await this.#place(offer.sdp ?? "");
    attempt.answered = answered;
    if (!attempt.live) return void hangUp(answered); // hung up while it was ringing

    this.#receive({ kind: "step_reached", step: "path" });
    attempt.feed = new CallFeed({
      callId: answered.callId,
      ticket: answered.resume,
      missed: (seq) => eventsAfter(answered, seq),
      onEvent: (event) => this.#happened(attempt, event),
      onState: (up) => this.#notice("feed_down", !up && isUp(this.call.value)),
    });
    attempt.feed.open();
    await peer.accept(offer, answered.sdp, answered.iceServers);
  }

  async #place(sdp: string): Promise<Answered> {
    try {
      const answered = await placeCall(this.#settings.agent(), sdp, this.#settings.bearer());
      this.#settings.bearerUsed(true);
      return answered;
    } catch (error) {
      if (error instanceof Stopped && error.trouble.code === "signed_out") this.#settings.bearerUsed(false);
      throw error;
    }
  }

  /** False, and the stream freed, where the call was given up meanwhile. */
  #keepMicrophone(attempt: Attempt, stream: MediaStream): boolean {
    const old = attempt.microphone;
    attempt.microphone = stream;
    for (const track of old?.getTracks() ?? []) track.stop();
    if (!attempt.live) {
      attempt.close();
      return false;
    }
    for (const track of stream.getAudioTracks()) {
      track.enabled = !this.muted.value;
      track.onended = () => this.#notice("mic_gone", attempt.live);
    }
    this.microphone.value = stream;
    return true;
  }

  #hear(stream: MediaStream): void {
    this.speaker.srcObject = stream;
    this.voice.value = stream;
    this.play();
  }

  #happened(attempt: Attempt, envelope: Envelope): void {
    if (attempt !== this.#attempt) return; // late words of the call before
    this.events.value = [...this.events.value.slice(1 - EVENT_LIMIT), envelope];
    this.transcript.value = transcript.receive(this.transcript.value, envelope);
    const event = known(envelope);
    if (event?.type === "session.failed") this.#notice("model_gone", true);
    if (event?.type === "call.ended") this.#endedThere(attempt, event.data.reason);
  }

  #endedThere(attempt: Attempt, reason: string): void {
    attempt.answered = null; // nothing left to hang up
    attempt.feed?.close();
    this.#receive({ kind: "ended", reason });
  }

  #closedByOtherSide(attempt: Attempt): void {
    setTimeout(() => {
      if (attempt.live && attempt === this.#attempt) this.#receive({ kind: "ended", reason: "other_side" });
    }, REASON_WAIT_MS);
  }

  #notice(notice: Notice, there: boolean): void {
    if (this.notices.value.has(notice) === there) return;
    const notices = new Set(this.notices.value);
    if (there) notices.add(notice);
    else notices.delete(notice);
    this.notices.value = notices;
  }

  /** One input: change state, free what the new state does not need, set the alarm for its deadline. */
  #receive(event: CallEvent): void {
    const before = this.call.value;
    const after = receive(before, event, performance.now());
    if (after === before) return;
    this.call.value = after;
    if (!isUp(after)) this.#over();
    clearTimeout(this.#wake);
    const due = deadline(after);
    if (due !== null) {
      this.#wake = setTimeout(() => this.#receive({ kind: "wake" }), Math.max(0, due - performance.now()));
    }
  }

  #over(): void {
    const attempt = this.#attempt;
    attempt?.close();
    if (attempt?.answered) void hangUp(attempt.answered);
    const feed = attempt?.feed;
    if (feed) setTimeout(() => feed.close(), LATE_WORDS_MS);
    this.microphone.value = null;
    this.voice.value = null;
    this.speaker.srcObject = null;
    this.notices.value = new Set();
  }
}
