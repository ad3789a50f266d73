/** The keyboard: M mutes, 0–9 * # press the open keypad, Ctrl+Shift+E hangs up. */
import { isTalking, isUp } from "./call";
import { KEYS } from "./keypad";
import type { Phone } from "./phone-model";

/** Listens until the returned function is called. */
export function listenToKeys(phone: Phone): () => void {
  const { line } = phone;
  function pressed(event: KeyboardEvent): void {
    if (event.isComposing || event.repeat) return; // an input method is at work, or a key is held down
    if (event.ctrlKey && event.shiftKey && event.key.toLowerCase() === "e" && isUp(line.call.value)) {
      event.preventDefault();
      line.hangUp();
      return;
    }
    if (event.ctrlKey || event.metaKey || event.altKey || isField(event.target) || !isTalking(line.call.value)) return;
    if (event.key.toLowerCase() === "m") line.mute(!line.muted.value);
    else if (phone.keypadOpen.value && (KEYS as readonly string[]).includes(event.key)) void line.press(event.key);
  }
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}

function isField(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && (target.matches("input, select, textarea") || target.isContentEditable);
}
