/** What came of a call, as its operator saw it. What is written is saved by itself when the time is over. */
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Action } from "./button";
import type { Desk } from "./desk";
import { callerOf } from "./saying";
import { words } from "./words";
import { OUTCOMES, type Outcome, type WrapUp } from "./wrap-up";

export function WrapUpCard({ desk, wrapUp }: { desk: Desk; wrapUp: WrapUp }) {
  const w = words().wrapUp;
  const id = useId();
  const notes = useRef<HTMLTextAreaElement>(null);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const [left, setLeft] = useState(Math.ceil((wrapUp.until - Date.now()) / 1000));
  const save = () => void desk.finish({ outcome, notes: notes.current?.value.trim() ?? "" });
  const saving = useRef(save);
  saving.current = save;

  useEffect(() => {
    const timer = setInterval(() => {
      const seconds = Math.ceil((wrapUp.until - Date.now()) / 1000);
      setLeft(Math.max(0, seconds));
      if (seconds > 0) return;
      clearInterval(timer);
      saving.current();
    }, 500);
    return () => clearInterval(timer);
  }, [wrapUp]);

  return (
    <form class="card wrap-up" aria-labelledby={`${id}-title`} onSubmit={(event) => (event.preventDefault(), save())}>
      <div class="wrap-up-head">
        <h2 id={`${id}-title`}>{w.title}</h2>
        <span class="hint">{w.with(callerOf(wrapUp))}</span>
        <span class="hint wrap-up-left" role="timer">{w.left(left)}</span>
      </div>
      <fieldset>
        <legend>{w.outcome}</legend>
        {OUTCOMES.map((each) => (
          <label key={each} class={`pill ${outcome === each ? "pill-chosen" : ""}`}>
            <input type="radio" name={`${id}-outcome`} checked={outcome === each} onChange={() => setOutcome(each)} />
            {w.outcomes[each]}
          </label>
        ))}
      </fieldset>
      <label for={`${id}-notes`}>{w.notes}</label>
      <textarea ref={notes} id={`${id}-notes`} rows={2} maxLength={4000} />
      <div class="actions-row">
        <Action look="go" name="save" onPress={save}>{desk.chosen.value === "busy" ? w.saveBreak : w.save}</Action>
        <Action name="skip" onPress={() => void desk.finish(null)}>{w.skip}</Action>
      </div>
    </form>
  );
}
