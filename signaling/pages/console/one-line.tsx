/** A line of text to send. Enter sends, but not while an input method is composing; Escape leaves it. */
import { useId, useLayoutEffect, useRef } from "preact/hooks";
import { Action } from "./button";
import { words } from "./words";

export interface OneLineProps {
  readonly label: string;
  readonly hint: string;
  readonly button: string;
  readonly mayBeEmpty?: boolean;
  readonly onSend: (text: string) => void;
  readonly onCancel: () => void;
}

export function OneLine({ label, hint, button, mayBeEmpty = false, onSend, onCancel }: OneLineProps) {
  const id = useId();
  const field = useRef<HTMLInputElement>(null);
  // Before anything is painted: the next key is the first letter, not a command.
  useLayoutEffect(() => field.current?.focus(), []);
  function send(): void {
    const text = field.current?.value.trim() ?? "";
    if (text !== "" || mayBeEmpty) onSend(text);
  }
  return (
    <form class="one-line" onSubmit={(event) => (event.preventDefault(), send())}>
      <label for={id}>{label}</label>
      <span class="one-line-field">
        <input
          ref={field} id={id} maxLength={500} autocomplete="off" placeholder={hint}
          onKeyDown={(event) => {
            if (event.key === "Enter" && event.isComposing) event.preventDefault();
            if (event.key === "Escape" && !event.isComposing) onCancel();
          }}
        />
        <Action look="go" onPress={send}>{button}</Action>
        <Action onPress={onCancel}>{words().actions.cancel}</Action>
      </span>
    </form>
  );
}
