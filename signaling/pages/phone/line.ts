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
import { MicrophoneRefused, openMicrophone, rememberMicrophone } from "../shared/microphone";
import { Peer } from "../shared/peer";
import * as transcript from "../shared/transcript";
import { heldCall, holdCall, letGoOfCall } from "./held-call";
import { comeBack, eventsAfter, hangUp, placeCall, sendDigit, type Answered } from "./switchboard";
import { Stopped, trouble, type Trouble } from "./trouble";

/** Things worth telling that do not stop the call. */
export type Notice = "feed_down" | "audio_blocked" | "mic_gone" | "keys_not_carried" | "model_gone";

/** Late words (a transcript of the last sentence) come within 5 s of the end; then the feed may go. */
const LATE_WORDS_MS = 6_000;
/** The feed tells why a call ended; where it does not within this time, the closed voice path is enough. */
const REASON_WAIT_MS = 1_500;
/** A path that is gone often comes back by itself within this time; after it a new one is made. */
const NEW_PATH_AFTER_MS = 2_000;
/** Between attempts to come back while the server cannot be reached. */
const COME_BACK_EVERY_MS = 1_000;
/** Events kept for the debug list. */
const EVENT_LIMIT = 400;

/** What one call has open. `close` is idempotent and frees the microphone at once. */
class Attempt {
  microphone: MediaStream | null = null;
  peer: Peer | null = null;
  feed: CallFeed | null = null;
  answered: Answered | null = null;
  /** Unix ms, once connected. */
  answeredAt: number | null = null;
  comingBack = false;
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
      // A page that is reloaded looks the same as one that is left: the switchboard waits a moment for the first.
      if (isTalking(this.call.value)) this.#attempt?.close();
      else if (isUp(this.call.value)) this.hangUp();
    });
    // On another network the old path is dead even where nobody has noticed yet.
    addEventListener("online", () => this.#newNetwork());
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
      if (attempt.live) this.#receive({ kind: "broke", trouble: troubleOf(error) });
    }
  }

  /** Takes up the call that this tab was on before it was reloaded, if there is one. Call once, at the start. */
  async resume(): Promise<void> {
    const held = await heldCall();
    if (held === null || this.call.value.at !== "idle") return;
    const attempt = new Attempt();
    attempt.answered = { ...held, sdp: "", iceServers: [] };
    attempt.answeredAt = held.answeredAt;
    this.#attempt = attempt;
    this.#receive({ kind: "page_reloaded", answeredMs: performance.now() - (Date.now() - held.answeredAt) });
    try {
      const microphone = await openMicrophone();
      if (!this.#keepMicrophone(attempt, microphone)) return;
    } catch (error) {
      if (attempt.live) this.#receive({ kind: "broke", trouble: troubleOf(error) });
      return;
    }
    this.#follow(attempt, attempt.answered);
    await this.#comeBack(attempt);
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

  /** Another microphone, now or for the next call. Throws `MicrophoneRefused` where it cannot be opened. */
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

  async quality(): Promise<import("../shared/peer").LineQuality | null> {
    return isTalking(this.call.value) ? ((await this.#attempt?.peer?.quality()) ?? null) : null;
  }

  async #connect(attempt: Attempt): Promise<void> {
    const microphone = await openMicrophone();
    if (!this.#keepMicrophone(attempt, microphone)) return;
    this.#receive({ kind: "mic_granted" });

    const peer = this.#newPeer(attempt);
    attempt.peer = peer;
    const offer = await peer.offer(microphone, this.#settings.phoneQuality());
    const answered = await this.#place(offer.sdp ?? "");
    attempt.answered = answered;
    if (!attempt.live) return void hangUp(answered); // hung up while it was ringing

    this.#receive({ kind: "step_reached", step: "path" });
    this.#follow(attempt, answered);
    await peer.accept(offer, answered.sdp, answered.iceServers);
  }

  #newPeer(attempt: Attempt): Peer {
    const current = () => attempt.live && attempt.peer === peer;
    const peer: Peer = new Peer({
      onSecuring: () => current() && this.#receive({ kind: "step_reached", step: "securing" }),
      onConnected: () => current() && this.#connected(attempt),
      onInterrupted: (broken) => current() && this.#interrupted(attempt, broken),
      onClosed: () => current() && this.#closedByOtherSide(attempt),
      onStream: (stream) => current() && this.#hear(stream),
    });
    return peer;
  }

  #connected(attempt: Attempt): void {
    attempt.answeredAt ??= Date.now();
    if (attempt.answered) holdCall({ ...held(attempt.answered), answeredAt: attempt.answeredAt });
    this.#receive({ kind: "media_connected" });
  }

  #interrupted(attempt: Attempt, broken: boolean): void {
    this.#receive({ kind: "media_interrupted" });
    setTimeout(() => {
      if (attempt.live && this.call.value.at === "reconnecting") void this.#comeBack(attempt);
    }, broken ? 0 : NEW_PATH_AFTER_MS);
  }

  #newNetwork(): void {
    const attempt = this.#attempt;
    if (!attempt?.live || !isTalking(this.call.value)) return;
    this.#receive({ kind: "media_interrupted" });
    void this.#comeBack(attempt);
  }

  /** A new connection for the running call, tried again until there is one or the call is given up. */
  async #comeBack(attempt: Attempt): Promise<void> {
    if (attempt.comingBack) return;
    attempt.comingBack = true;
    try {
      while (attempt.live && attempt.answered !== null) {
        const peer = this.#newPeer(attempt);
        try {
          const offer = await peer.offer(attempt.microphone, this.#settings.phoneQuality());
          const answered = await comeBack(attempt.answered, offer.sdp ?? "");
          if (!attempt.live || answered === "over") {
            peer.close();
            if (attempt.live) this.#endedThere(attempt, "other_side");
            return;
          }
          attempt.answered = answered;
          attempt.peer?.close();
          attempt.peer = peer;
          return await peer.accept(offer, answered.sdp, answered.iceServers);
        } catch {
          peer.close();
          await new Promise((resolve) => setTimeout(resolve, COME_BACK_EVERY_MS));
        }
      }
    } finally {
      attempt.comingBack = false;
    }
  }

  #follow(attempt: Attempt, answered: Answered): void {
    attempt.feed = new CallFeed({
      callId: answered.callId,
      ticket: answered.resume,
      missed: (seq) => eventsAfter(answered, seq),
      onEvent: (event) => this.#happened(attempt, event),
      onState: (up) => this.#notice("feed_down", !up && isUp(this.call.value)),
    });
    attempt.feed.open();
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
    letGoOfCall();
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

function held({ callId, location, resume }: Answered) {
  return { callId, location, resume };
}

function troubleOf(error: unknown): Trouble {
  if (error instanceof Stopped) return error.trouble;
  if (error instanceof MicrophoneRefused) return trouble(error.code, error.detail);
  return trouble("server_error", String(error));
}
