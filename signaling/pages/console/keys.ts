/** The keyboard. Single keys rest in fields, while an input method composes, and where they were switched off. */
import { waits } from "./board";
import type { Desk } from "./desk";

const REMEMBERED = "cordboard.console.keys";

export function keysOn(): boolean {
  return localStorage.getItem(REMEMBERED) !== "off";
}

export function switchKeys(on: boolean): void {
  localStorage.setItem(REMEMBERED, on ? "on" : "off");
}

/** Listens until the returned function is called. */
export function listenToKeys(desk: Desk): () => void {
  function pressed(event: KeyboardEvent): void {
    if (event.isComposing || event.repeat || event.ctrlKey || event.metaKey || event.altKey) return;
    if (desk.me.value === null || isField(event.target) || document.querySelector("dialog[open]") !== null) return;
    if (event.key === "Escape") return escape(desk);
    if (!keysOn()) return;
    const done = act(desk, event.key.length === 1 ? event.key.toLowerCase() : event.key);
    if (done) event.preventDefault();
  }
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}

/** What a key does. True where it did something. */
function act(desk: Desk, key: string): boolean {
  const call = desk.selected.value;
  const on = desk.leg.on;
  const open = desk.up.value && !desk.working.value;
  const alive = call !== null && call.state !== "ended";
  switch (key) {
    case "j":
    case "k":
      desk.move(key === "j" ? 1 : -1);
      return true;
    case "Enter": {
      if (!(document.activeElement === document.body || document.activeElement?.id === "main") || call === null) return false;
      document.getElementById("call-title")?.focus();
      return true;
    }
    case "a":
      if (open && desk.ringing.value !== null && on === null) void desk.accept(desk.ringing.value);
      return true;
    case "d":
      if (open && desk.ringing.value !== null) void desk.decline(desk.ringing.value);
      return true;
    case "l":
      if (on !== null && on.part !== "talk") void desk.stopListening();
      else if (open && alive && on === null) void desk.join(call.id, "listen");
      return true;
    case "b":
      if (open && alive && on?.part !== "talk") void desk.join(call.id, "barge");
      return true;
    case "t":
      if (open && alive && on?.part !== "talk") void (waits(call) ? desk.accept(call) : desk.join(call.id, "talk"));
      return true;
    case "w":
      if (desk.up.value && alive && on?.part !== "talk") desk.asking.value = "whisper";
      return true;
    case "m":
      desk.mute();
      return true;
    case "h":
      if (open && desk.mine.value !== null) void desk.hold(desk.mine.value);
      return true;
    case "r":
      if (desk.up.value && on?.part === "talk" && desk.mine.value !== null) desk.asking.value = "return";
      return true;
    case "e":
      if (desk.up.value && desk.mine.value !== null) desk.end(desk.mine.value);
      else if (desk.up.value && alive) desk.end(call);
      return true;
    case "/":
      document.querySelector<HTMLInputElement>("[data-search]")?.focus();
      return true;
    case "?":
      desk.helping.value = true;
      return true;
    default:
      return false;
  }
}

function escape(desk: Desk): void {
  if (desk.asking.value !== null) desk.asking.value = null;
  else if (desk.ending.value !== null) desk.ending.value = null;
  else if (document.activeElement instanceof HTMLElement) document.activeElement.blur();
}

function isField(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false;
  return target.matches("input:not([type=checkbox], [type=radio]), select, textarea") || target.isContentEditable;
}
