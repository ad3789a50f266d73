/** What the call is doing, in words, and how long it has been doing so. */
import { useEffect, useState } from "preact/hooks";
import { clock } from "../shared/clock";
import { isTalking, type Call } from "./call";
import type { Phone } from "./phone-model";
import { words } from "./words";

/** A step is named only when it takes so long that one begins to wonder. */
const NAME_STEP_MS = 2_000;

export function Status({ phone }: { phone: Phone }) {
  const w = words();
  const call = phone.line.call.value;
  const state = w.state[call.at];

  useEffect(() => {
    document.title = w.documentTitle(state);
  }, [state]);

  return (
    <div class="status">
      <p class={`status-word status-${call.at}`} role="status">
        <span class="dot" aria-hidden="true" />
        {state}
      </p>
      <Explanation call={call} />
    </div>
  );
}

function Explanation({ call }: { call: Call }) {
  const w = words();
  const now = useNow(call.at === "connecting" || isTalking(call));
  switch (call.at) {
    case "asking_mic":
      return <p class="explanation">{w.askingMic}</p>;
    case "connecting":
      return <p class="explanation" aria-live="polite">{now - call.sinceMs >= NAME_STEP_MS ? w.step[call.step] : "\u00a0"}</p>;
    case "talking":
      return <p class="timer" role="timer" aria-label={w.timer}>{clock(now - call.answeredMs)}</p>;
    case "reconnecting":
      return (
        <>
          <p class="timer" role="timer" aria-label={w.timer}>{clock(now - call.answeredMs)}</p>
          <p class="explanation">{w.reconnecting}</p>
        </>
      );
    case "ended": {
      const reasons: Readonly<Record<string, string>> = w.reason;
      return (
        <p class="explanation">
          {reasons[call.reason] ?? w.reason.other_side} {call.lengthMs > 0 && w.ended(w.length(call.lengthMs))}
        </p>
      );
    }
    default:
      return null;
  }
}

/** performance.now(), four times a second while `running`. */
function useNow(running: boolean): number {
  const [now, setNow] = useState(performance.now());
  useEffect(() => {
    if (!running) return;
    setNow(performance.now());
    const timer = setInterval(() => setNow(performance.now()), 250);
    return () => clearInterval(timer);
  }, [running]);
  return now;
}
