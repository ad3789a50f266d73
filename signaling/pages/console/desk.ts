/**
 * Everything the console's components share: the board, who is at the desk, this person's leg, and what can be
 * done. Made once in console.tsx; components read its signals and press its buttons.
 */
import { batch, computed, effect, signal } from "@preact/signals";
import type { Envelope, Snapshot } from "../shared/envelope";
import { MicrophoneRefused } from "../shared/microphone";
import { Api, Refused, type Me, type Operator, type Presence } from "./api";
import { AudioTab } from "./audio-tab";
import { EMPTY, fromSnapshot, ownerOf, prune, receive, waits, type Call } from "./board";
import { DeskFeed } from "./desk-feed";
import { Leg, type Part } from "./leg";
import { Notices } from "./notices";
import { Ring } from "./ring";
import { arrange, matches, type Arranged } from "./rows";
import { Watched } from "./watched";
import { WRAP_UP_MS, rememberWrapUp, rememberedWrapUp, type WrapUp } from "./wrap-up";

/** The desk forgets who is silent for 30 s. */
const PRESENT_EVERY_MS = 10_000;
const OPERATORS_EVERY_MS = 5_000;
/** A call that has ended says so in its row for this long. */
const ENDED_SHOWN_MS = 12_000;
/** The second press that ends a call has to come within this time. */
export const CONFIRM_MS = 3_000;
const REMEMBERED = "cordboard.presence";

export type Chosen = "available" | "busy";
export type Asking = "whisper" | "return" | null;

export class Desk {
  readonly api = new Api();
  readonly ring = new Ring();
  readonly notices = new Notices();
  readonly leg: Leg;

  readonly me = signal<Me | null>(null);
  /** It is not known yet whether somebody is signed in. */
  readonly starting = signal(true);
  readonly board = signal(EMPTY);
  readonly rows = signal<Arranged>({ rows: [], pending: 0 });
  /** The pointer or the focus is on the list. */
  readonly frozen = signal(false);
  readonly search = signal("");
  readonly selectedId = signal<string | null>(new URLSearchParams(location.search).get("call"));
  readonly watched = signal<Watched | null>(null);
  readonly up = signal(false);
  /** Unix ms of the last word from the server. */
  readonly heardAt = signal<number | null>(null);
  readonly operators = signal<readonly Operator[]>([]);
  readonly chosen = signal<Chosen>(sessionStorage.getItem(REMEMBERED) === "busy" ? "busy" : "available");
  readonly wrapUp = signal<WrapUp | null>(null);
  readonly asking = signal<Asking>(null);
  readonly ending = signal<string | null>(null);
  readonly working = signal(false);
  readonly helping = signal(false);
  /** Unix ms on the server's clock, once a second. */
  readonly now = signal(Date.now());
  readonly tab = signal<AudioTab | null>(null);

  readonly ringing = computed(() => this.#find((call) => waits(call) && call.handoff?.state === "offered" && call.handoff.operator === this.me.value?.id));
  readonly mine = computed(() => this.#find((call) => ownerOf(call) !== null && ownerOf(call) === this.me.value?.id));
  readonly selected = computed(() => this.board.value.calls.get(this.selectedId.value ?? "") ?? null);
  readonly shownRows = computed(() =>
    this.rows.value.rows.filter(({ id }) => {
      const call = this.board.value.calls.get(id);
      return call !== undefined && matches(call, this.search.value);
    }));
  readonly seen = computed(() => this.operators.value.find(({ id }) => id === this.me.value?.id) ?? null);
  /** This person has a call whose sound is in no tab: after a reload. */
  readonly resumable = computed(() => (this.mine.value !== null && this.leg.state.value.at === "none" ? this.mine.value : null));

  readonly #offerHere = computed(() => this.ringing.value?.handoff?.offer_id ?? null);
  #feed: DeskFeed | null = null;
  #timers: ReturnType<typeof setInterval>[] = [];
  #looking: ReturnType<typeof setTimeout> | undefined;
  #ahead = -Infinity; // the server's clock against ours, ms
  #joined: string | null = null; // the handoff that this page has accepted

  constructor() {
    this.leg = new Leg({
      join: (callId, part, sdp) => this.api.join(this.#door(callId, part), sdp),
      comeBack: (callId, sdp) => this.api.join(`/v1/calls/${callId}/operator`, sdp),
    });
    this.api.onSignedOut = () => this.#out();
    effect(() => {
      this.rows.value = arrange(this.board.value, this.rows.peek().rows, this.frozen.value);
    });
    effect(() => this.#ringOrNot());
    addEventListener("pagehide", () => {
      // A console that is closed must not be asked; one that is reloaded comes back in a moment.
      if (this.me.value && this.tab.value?.here.value && !this.mine.value && !this.ringing.value) this.api.leave();
    });
  }

  // Signing in and out

  async start(): Promise<void> {
    try {
      const me = await this.api.whoAmI();
      if (me !== null) this.#in(me);
    } catch {
      // The sign-in screen is there, and says it when it is used.
    }
    this.starting.value = false;
  }

  /** Throws Refused. */
  async signIn(id: string, password: string): Promise<void> {
    this.ring.allow();
    this.#in(await this.api.signIn(id, password));
  }

  async signOut(): Promise<void> {
    // First away from the desk, while the session still says who that is.
    await this.api.setPresence("offline").catch(() => undefined);
    await this.#try(() => this.api.signOut());
    this.leg.drop();
    this.#out();
  }

  #in(me: Me): void {
    const tab = new AudioTab(me.id);
    tab.onGained = () => {
      void this.#present();
      const mine = this.resumable.value;
      if (mine !== null && this.#movedHere) void this.resume();
      this.#movedHere = false;
    };
    tab.onLost = () => this.leg.drop();
    batch(() => {
      this.me.value = me;
      this.tab.value = tab;
      this.wrapUp.value = rememberedWrapUp(Date.now());
    });
    if (me.role !== "operator" && me.role !== "admin") return; // the page says so
    tab.start();
    this.#feed = new DeskFeed({
      onSnapshot: (snapshot) => this.#snapshot(snapshot),
      onEvent: (event) => this.#event(event),
      onState: (up) => (this.up.value = up),
      onExpired: () => this.#out(),
    });
    this.#feed.open();
    void this.#lookAround();
    this.#timers = [
      setInterval(() => void this.#present(), PRESENT_EVERY_MS),
      setInterval(() => void this.#lookAround(), OPERATORS_EVERY_MS),
      setInterval(() => this.#tick(), 1_000),
    ];
  }

  #movedHere = false;

  #out(): void {
    this.#feed?.close();
    this.#feed = null;
    for (const timer of this.#timers) clearInterval(timer);
    this.watched.value?.close();
    batch(() => {
      this.me.value = null;
      this.watched.value = null;
      this.board.value = EMPTY;
      this.up.value = false;
    });
  }

  // The feed

  #snapshot(snapshot: Snapshot): void {
    this.heardAt.value = Date.now();
    this.board.value = fromSnapshot(snapshot, this.board.value);
    const id = this.selectedId.value;
    if (id === null || !this.board.value.calls.has(id)) this.select(this.ringing.value?.id ?? this.mine.value?.id ?? null);
    else if (this.watched.value === null) this.select(id);
    else this.watched.value.expect(snapshot.last_seq[id] ?? -1);
    const leg = this.leg.on;
    if (leg !== null && this.board.value.calls.get(leg.callId)?.state === "ended") this.leg.drop();
  }

  #event(event: Envelope): void {
    this.heardAt.value = Date.now();
    this.#ahead = Math.max(this.#ahead, Date.parse(event.at) - Date.now());
    const before = this.board.value.calls.get(event.call_id) ?? null;
    batch(() => {
      this.board.value = receive(this.board.value, event);
      this.watched.value?.receive(event);
      if (before !== null) this.#happened(before, event);
    });
    if (event.type.startsWith("handoff.") || event.type.startsWith("operator.")) this.#lookSoon();
  }

  /** What an event means to the person at this console. */
  #happened(before: Call, event: Envelope): void {
    const me = this.me.value?.id ?? "";
    const wasMine = ownerOf(before) === me;
    const leg = this.leg.on?.callId === event.call_id ? this.leg.on : null;
    switch (event.type) {
      case "handoff.offered":
        if (event.data["operator"] === me && this.leg.on === null) this.select(event.call_id);
        break;
      case "handoff.accepted":
        if (event.data["operator"] !== me && waits(before)) {
          this.notices.say({ kind: "answered", caller: before.caller, operator: String(event.data["operator"]) });
        }
        break;
      case "handoff.declined":
        if (event.data["operator"] === me && event.data["reason"] === "no_answer") {
          this.chosen.value = "busy";
          this.notices.say({ kind: "missed", caller: before.caller });
        }
        break;
      case "handoff.queued":
        if (wasMine && leg?.part === "talk") this.leg.drop();
        break;
      case "handoff.returned":
        if (!wasMine) break;
        if (leg?.part === "talk") this.leg.drop();
        if (event.data["why"] === "given_back") this.#beginWrapUp(before);
        else this.notices.say({ kind: "lost_to_agent", caller: before.caller });
        break;
      case "call.ended":
        if (leg !== null) this.leg.drop();
        if (wasMine && before.handoff?.state !== "accepted") this.#beginWrapUp(before);
        break;
    }
  }

  #beginWrapUp(call: Call): void {
    const handoffId = call.handoff?.handoff_id ?? this.#joined;
    if (handoffId === null) return;
    this.asking.value = null;
    this.#setWrapUp({ callId: call.id, handoffId, caller: call.caller, until: Date.now() + WRAP_UP_MS });
    void this.#present();
  }

  #setWrapUp(wrapUp: WrapUp | null): void {
    this.wrapUp.value = wrapUp;
    rememberWrapUp(wrapUp);
  }

  #ringOrNot(): void {
    const offer = this.#offerHere.value; // the ring starts anew with a new offer only
    const call = this.ringing.peek();
    if (offer === null || call === null || !this.tab.value?.here.value) return this.ring.stop();
    this.ring.start(call.caller ?? "Cordboard", call.handoff?.reason ?? "", () => this.select(call.id));
  }

  #tick(): void {
    this.now.value = Date.now() + (this.#ahead > -Infinity ? this.#ahead : 0);
    if (this.frozen.value) return;
    const kept = new Set([this.selectedId.value ?? "", this.wrapUp.value?.callId ?? ""]);
    this.board.value = prune(this.board.value, this.now.value - ENDED_SHOWN_MS, kept);
  }

  // Who is at the desk

  choose(presence: Chosen): void {
    this.chosen.value = presence;
    sessionStorage.setItem(REMEMBERED, presence);
    this.notices.withdraw("missed");
    void this.#present(true);
  }

  nameOf(operator: string | null): string {
    return this.operators.value.find(({ id }) => id === operator)?.name ?? operator ?? "";
  }

  /** The tab that has the audio speaks for the person. */
  async #present(always = false): Promise<void> {
    if (this.me.value === null || !(always || this.tab.value?.here.value)) return;
    const presence: Presence = this.wrapUp.value !== null ? "wrap_up" : this.chosen.value;
    try {
      const mine = await this.api.setPresence(presence);
      this.operators.value = [...this.operators.value.filter(({ id }) => id !== mine.id), mine];
    } catch {
      // Said again in ten seconds; the banner tells when the server is away.
    }
  }

  #lookSoon(): void {
    clearTimeout(this.#looking);
    this.#looking = setTimeout(() => void this.#lookAround(), 250);
  }

  async #lookAround(): Promise<void> {
    if (this.me.value === null) return;
    try {
      this.operators.value = await this.api.operators();
    } catch {
      return;
    }
    if (this.seen.value?.why === "not_responding" && this.chosen.value === "available") this.chosen.value = "busy";
  }

  // The list

  select(id: string | null): void {
    if (id !== this.selectedId.value) {
      this.asking.value = null;
      this.ending.value = null;
    }
    this.selectedId.value = id;
    if (this.watched.value?.callId !== id) {
      this.watched.value?.close();
      const watched = id === null ? null : new Watched(id, (seq) => this.api.eventsAfter(id, seq));
      this.watched.value = watched;
      if (id !== null) watched?.expect(this.board.value.lastSeq[id] ?? 0);
    }
    const address = new URL(location.href);
    if (id === null) address.searchParams.delete("call");
    else address.searchParams.set("call", id);
    history.replaceState(null, "", address);
  }

  /** The next row down (1) or up (-1). */
  move(step: 1 | -1): void {
    const rows = this.shownRows.value;
    if (rows.length === 0) return;
    const at = rows.findIndex(({ id }) => id === this.selectedId.value);
    const next = at < 0 ? (step > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + step));
    this.select(rows[next]?.id ?? null);
  }

  // What can be done. Nothing is thrown: what did not work is said.

  async accept(call: Call): Promise<void> {
    this.select(call.id);
    await this.join(call.id, "talk");
  }

  decline(call: Call): Promise<void> {
    const handoff = call.handoff;
    return this.#try(async () => {
      if (handoff !== null) await this.api.decline(handoff.handoff_id, handoff.offer_id);
    });
  }

  /** Listen, barge in, or take the call. */
  async join(callId: string, part: Part): Promise<void> {
    await this.#try(async () => {
      const left = this.leg.on;
      if (left !== null && left.callId !== callId) {
        if (left.part === "talk") throw new Refused("on_another_call");
        await this.api.stopListening(left.callId).catch(() => undefined);
      }
      if (!this.tab.value?.here.value) this.moveHere();
      const joined = await this.leg.join(callId, part);
      if (joined !== null && part === "talk") this.#joined = joined.handoffId;
    });
  }

  resume(): Promise<void> {
    return this.#try(async () => {
      const call = this.mine.value;
      if (call === null) return;
      this.select(call.id);
      if (!this.tab.value?.here.value) return this.moveHere();
      await this.leg.join(call.id, "talk", true);
    });
  }

  moveHere(): void {
    this.#movedHere = true;
    this.tab.value?.move();
  }

  stopListening(): Promise<void> {
    const on = this.leg.on;
    this.leg.drop();
    return this.#try(async () => {
      if (on !== null) await this.api.stopListening(on.callId);
    });
  }

  mute(): void {
    const on = this.leg.on;
    if (on === null || on.part === "listen") return;
    this.leg.mute(!this.leg.muted.value);
    // The browser sends silence already; the server is told so that others may see it.
    if (on.part === "talk") this.api.change(on.callId, { muted: this.leg.muted.value }).catch(() => undefined);
  }

  hold(call: Call): Promise<void> {
    return this.#try(() => this.api.change(call.id, { hold: call.handoff?.state !== "held" }));
  }

  giveBack(call: Call, note: string): Promise<void> {
    this.asking.value = null;
    return this.#try(() => this.api.giveBack(call.id, note));
  }

  whisper(call: Call, text: string): Promise<void> {
    this.asking.value = null;
    return this.#try(async () => {
      await this.api.whisper(call.id, text);
      this.notices.say({ kind: "whispered" });
    });
  }

  /** Ends the call at the second press within CONFIRM_MS. */
  end(call: Call): void {
    if (this.ending.value !== call.id) {
      this.ending.value = call.id;
      setTimeout(() => {
        if (this.ending.value === call.id) this.ending.value = null;
      }, CONFIRM_MS);
      return;
    }
    this.ending.value = null;
    void this.#try(() => this.api.end(call.id));
  }

  /** Notes down what came of the call, or (null) leaves it. */
  async finish(given: { outcome: string | null; notes: string } | null): Promise<void> {
    const wrapUp = this.wrapUp.value;
    if (wrapUp === null) return;
    await this.#try(async () => {
      if (given !== null && (given.outcome !== null || given.notes !== "")) {
        await this.api.wrapUp(wrapUp.handoffId, given.outcome, given.notes);
        this.notices.say({ kind: "noted" });
      }
      this.#setWrapUp(null);
      await this.#present();
    });
  }

  async #try(work: () => Promise<void>): Promise<void> {
    this.working.value = true;
    try {
      await work();
    } catch (error) {
      if (error instanceof Refused) this.notices.say({ kind: "problem", code: error.code, name: error.name_, detail: error.detail });
      else if (error instanceof MicrophoneRefused) this.notices.say({ kind: "problem", code: error.code, name: null, detail: error.detail });
      else this.notices.say({ kind: "problem", code: "unknown", name: null, detail: String(error) });
    } finally {
      this.working.value = false;
    }
  }

  #door(callId: string, part: Part): string {
    if (part === "listen") return `/v1/calls/${callId}/listen`;
    if (part === "barge") return `/v1/calls/${callId}/barge`;
    const call = this.board.value.calls.get(callId);
    if (call === undefined || !waits(call) || call.handoff === null) return `/v1/calls/${callId}/takeover`;
    const { handoff_id, offer_id, operator } = call.handoff;
    const rings = offer_id !== null && operator === this.me.value?.id;
    return `/v1/handoffs/${handoff_id}/accept${rings ? `?offer=${offer_id}` : ""}`;
  }

  #find(wanted: (call: Call) => boolean): Call | null {
    for (const call of this.board.value.calls.values()) {
      if (wanted(call)) return call;
    }
    return null;
  }
}
