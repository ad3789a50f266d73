/** All keys, and the switch that turns single keys off (WCAG 2.1.4). */
import { useEffect, useRef, useState } from "preact/hooks";
import { Action } from "./button";
import type { Desk } from "./desk";
import { keysOn, switchKeys } from "./keys";
import { words } from "./words";

export function Help({ desk }: { desk: Desk }) {
  const w = words();
  const dialog = useRef<HTMLDialogElement>(null);
  const [on, setOn] = useState(keysOn());
  const open = desk.helping.value;
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog ref={dialog} class="card help" aria-labelledby="help-title" onClose={() => (desk.helping.value = false)}>
      <h2 id="help-title">{w.help.title}</h2>
      <dl>
        {Object.entries(w.help.keys).map(([key, does]) => (
          <div key={key}>
            <dt>{(key === "JK" ? ["J", "K"] : [key]).map((each) => <kbd key={each}>{each}</kbd>)}</dt>
            <dd>{does}</dd>
          </div>
        ))}
      </dl>
      <label class="check">
        <input type="checkbox" checked={on} onChange={(event) => (switchKeys(event.currentTarget.checked), setOn(event.currentTarget.checked))} />
        {w.help.on}
      </label>
      <p class="hint">{w.help.hint}</p>
      <Action onPress={() => (desk.helping.value = false)}>{w.actions.close}</Action>
    </dialog>
  );
}
