/**
 * The person's own line, always in the same place: what rings here, the call they are on, or nothing.
 *
 * Its height does not change when it begins to ring: nothing below moves under the pointer.
 */
import { useEffect, useRef } from "preact/hooks";
import {
  BellIcon, CloseIcon, EarIcon, HangUpIcon, MicIcon, MicOffIcon, PauseIcon, PeopleIcon, PhoneIcon, PlayIcon, ReturnIcon, SoundIcon,
} from "../shared/icons";
import { LevelBars } from "../shared/level-bars";
import type { Call } from "./board";
import { Action } from "./button";
import type { Desk } from "./desk";
import { OneLine } from "./one-line";
import { callerOf, since } from "./saying";
import { SoundMenu } from "./sound-menu";
import { words } from "./words";

export function LineStrip({ desk }: { desk: Desk }) {
  const w = words();
  const { leg, ringing, mine, resumable, board } = desk;
  const on = leg.on;
  const called = on === null ? null : (board.value.calls.get(on.callId) ?? null);
  let kind = "idle";
  let inside = <Idle desk={desk} />;
  if (on !== null && called !== null) {
    kind = on.part === "talk" ? "mine" : on.part;
    inside = <OnCall desk={desk} call={called} />;
  } else if (resumable.value !== null) {
    kind = "resume";
    inside = <Resume desk={desk} call={resumable.value} />;
  } else if (ringing.value !== null) {
    kind = "rings";
    inside = <Rings desk={desk} call={ringing.value} />;
  } else if (mine.value !== null) {
    kind = "mine";
  }
  return (
    <section class={`strip strip-${kind}`} data-strip={kind} aria-label={w.strip.label}>
      {inside}
      {leg.blocked.value && (
        <p class="strip-note">{w.audio.blocked} <Action onPress={() => leg.play()}><SoundIcon />{w.audio.hear}</Action></p>
      )}
    </section>
  );
}

function Idle({ desk }: { desk: Desk }) {
  const w = words();
  const notes = desk.wrapUp.value !== null;
  const busy = desk.chosen.value === "busy" && !notes;
  return (
    <>
      <span class="strip-face"><BellIcon /></span>
      <div class="strip-words">
        <p class="strip-title">{w.strip.idle}</p>
        <p class="hint">{notes ? w.strip.notesHint : busy ? w.strip.busyHint : w.strip.idleHint}</p>
      </div>
      <div class="strip-actions">
        {busy && <Action look="go" name="available" onPress={() => desk.choose("available")}>{w.strip.backAvailable}</Action>}
        <SoundMenu desk={desk} />
      </div>
    </>
  );
}

function Rings({ desk, call }: { desk: Desk; call: Call }) {
  const w = words();
  const until = Date.parse(call.handoff?.until ?? "") - desk.now.value;
  const off = !desk.up.value || desk.working.value;
  return (
    <>
      <span class="strip-face strip-face-rings"><BellIcon /></span>
      <div class="strip-words">
        {/* Announced once: the words do not change while it rings. */}
        <p class="strip-title" role="alert">{w.strip.rings}: {callerOf(call)}{call.handoff?.reason ? ` – ${call.handoff.reason}` : ""}</p>
        <p class="strip-detail">{call.handoff?.summary || w.call.noSummary}</p>
        {until > 0 && <p class="hint" role="timer">{w.strip.ringsIn(w.clock(until))}</p>}
      </div>
      <div class="strip-actions">
        <Action look="go" name="accept" hotkey="A" disabled={off} onPress={() => void desk.accept(call)}><PhoneIcon />{w.actions.accept}</Action>
        <Action name="decline" hotkey="D" disabled={off} onPress={() => void desk.decline(call)}><CloseIcon />{w.actions.decline}</Action>
      </div>
    </>
  );
}

function Resume({ desk, call }: { desk: Desk; call: Call }) {
  const w = words();
  const strip = useRef<HTMLDivElement>(null);
  useEffect(() => {
    // After a reload nothing has the focus: one key press is then enough.
    if (document.activeElement === document.body) strip.current?.querySelector("button")?.focus();
  }, []);
  const here = desk.tab.value?.here.value ?? false;
  return (
    <>
      <span class="strip-face strip-face-rings"><SoundIcon /></span>
      <div class="strip-words">
        <p class="strip-title">{callerOf(call)}</p>
        <p class="strip-detail" role="alert">{here ? w.strip.resume : w.audio.elsewhere}</p>
      </div>
      <div class="strip-actions" ref={strip}>
        <Action look="go" name="resume" onPress={() => void desk.resume()}><SoundIcon />{here ? w.actions.resume : w.audio.move}</Action>
      </div>
    </>
  );
}

function OnCall({ desk, call }: { desk: Desk; call: Call }) {
  const w = words();
  const { leg } = desk;
  const state = leg.state.value;
  if (state.at === "none") return null;
  const { part } = state;
  const held = call.handoff?.state === "held";
  const muted = leg.muted.value;
  const off = !desk.up.value || desk.working.value;
  const begun = ["connected", "resumed", "held", "recovering"].includes(call.handoff?.state ?? "");
  const status =
    state.at === "asking_mic" ? w.strip.askingMic
    : state.at === "lost" ? w.strip.lost
    : state.at === "connecting" ? w.strip.connecting
    : part === "listen" ? w.strip.listening
    : part === "barge" ? w.strip.barging
    : held ? w.strip.onHold
    : !begun ? w.strip.connecting
    : muted ? w.strip.muted
    : w.strip.talking;
  return (
    <>
      <span class={`strip-face strip-face-${state.at === "lost" ? "lost" : "on"}`}>{part === "listen" ? <EarIcon /> : part === "barge" ? <PeopleIcon /> : <PhoneIcon />}</span>
      <div class="strip-words">
        <p class="strip-title">
          {callerOf(call)} <span class="strip-clock" role="timer" aria-label={w.call.length}>{since(call.answered_at ?? call.started_at, desk.now.value)}</span>
        </p>
        <p class={`strip-detail strip-status-${state.at}`} role="status">{status}</p>
      </div>
      <div class="strip-levels">
        {part !== "listen" && <span class="strip-level"><LevelBars read={() => leg.myLevel} />{w.strip.you}</span>}
        <span class="strip-level"><LevelBars read={() => leg.theirLevel} />{w.strip.caller}</span>
      </div>
      <div class="strip-actions">
        {desk.selectedId.value !== call.id && <Action onPress={() => desk.select(call.id)}>{w.strip.show}</Action>}
        {part !== "listen" && (
          <Action name="mute" hotkey="M" pressed={muted} onPress={() => desk.mute()}>
            {muted ? <MicOffIcon /> : <MicIcon />}{muted ? w.actions.unmute : w.actions.mute}
          </Action>
        )}
        {part === "talk" ? (
          <>
            <Action name="hold" hotkey="H" pressed={held} disabled={off || !begun} onPress={() => void desk.hold(call)}>
              {held ? <PlayIcon /> : <PauseIcon />}{held ? w.actions.resumeHold : w.actions.hold}
            </Action>
            <Action name="return" hotkey="R" disabled={off || !begun} expanded={desk.asking.value === "return"} onPress={() => (desk.asking.value = desk.asking.value === "return" ? null : "return")}>
              <ReturnIcon />{w.actions.giveBack}
            </Action>
            <EndButton desk={desk} call={call} />
          </>
        ) : (
          <Action name="leave" hotkey="L" look="stop" onPress={() => void desk.stopListening()}><CloseIcon />{w.actions.stopListening}</Action>
        )}
      </div>
      {desk.asking.value === "return" && part === "talk" && (
        <OneLine
          label={w.giveBack.label} hint={w.giveBack.hint} button={w.actions.giveBack} mayBeEmpty
          onSend={(note) => void desk.giveBack(call, note)} onCancel={() => (desk.asking.value = null)}
        />
      )}
    </>
  );
}

export function EndButton({ desk, call }: { desk: Desk; call: Call }) {
  const w = words();
  const sure = desk.ending.value === call.id;
  return (
    <Action name="end" hotkey="E" look="stop" disabled={!desk.up.value} onPress={() => desk.end(call)}>
      <HangUpIcon />{sure ? w.actions.endSure : w.actions.end}
    </Action>
  );
}
