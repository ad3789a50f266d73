/** The buttons of the call, one row for each state; keys are in keys.ts. */
import { useEffect, useRef } from "preact/hooks";
import { HangUpIcon, KeypadIcon, MicIcon, MicOffIcon, PhoneIcon } from "../shared/icons";
import { isTalking, isUp } from "./call";
import type { Phone } from "./phone-model";
import { words } from "./words";

export function Controls({ phone }: { phone: Phone }) {
  const main = useRef<HTMLButtonElement>(null);
  const { line } = phone;
  const call = line.call.value;

  // The button that had the focus may be gone in the new state: hand the focus to its successor.
  useEffect(() => {
    if (document.activeElement === document.body && call.at !== "idle") main.current?.focus();
  }, [call.at]);

  if (isTalking(call)) return <CallControls phone={phone} main={main} />;
  const w = words();
  if (isUp(call)) {
    return (
      <div class="controls">
        <button
          ref={main}
          type="button"
          class="big big-cancel"
          // A double click on "Call" ends on this button: its second half is no wish to cancel.
          onClick={(event) => event.detail < 2 && line.hangUp()}
        >
          <HangUpIcon />{w.actions.cancel}
        </button>
      </div>
    );
  }
  if (call.at === "failed") return null; // the trouble card has its own button
  return (
    <div class="controls">
      <button ref={main} type="button" class="big big-call" onClick={() => void line.start()}>
        <PhoneIcon />{call.at === "ended" ? w.actions.callAgain : w.actions.call}
      </button>
      {call.at === "idle" && <p class="hint">{w.microphoneUse}</p>}
    </div>
  );
}

function CallControls({ phone, main }: { phone: Phone; main: { current: HTMLButtonElement | null } }) {
  const w = words();
  const { line, keypadOpen } = phone;
  const muted = line.muted.value;
  return (
    <div class="controls controls-call">
      <button type="button" class="round" aria-pressed={muted} onClick={() => line.mute(!muted)}>
        <span class="round-face">{muted ? <MicOffIcon /> : <MicIcon />}</span>
        {muted ? w.actions.unmute : w.actions.mute}
      </button>
      <button
        type="button"
        class="round"
        aria-expanded={keypadOpen.value}
        onClick={() => (keypadOpen.value = !keypadOpen.value)}
      >
        <span class="round-face"><KeypadIcon /></span>
        {w.actions.keypad}
      </button>
      <button ref={main} type="button" class="round round-stop" onClick={() => line.hangUp()}>
        <span class="round-face"><HangUpIcon /></span>
        {w.actions.hangUp}
      </button>
    </div>
  );
}
