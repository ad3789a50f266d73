/** Dark, light, or as the device says. The colours themselves are in theme.css (`light-dark()`). */
import { effect, signal } from "@preact/signals";

export const APPEARANCES = ["auto", "light", "dark"] as const;
export type Appearance = (typeof APPEARANCES)[number];

const REMEMBERED = "cordboard.appearance";

export const appearance = signal<Appearance>("auto");

export function startAppearance(): void {
  const remembered = localStorage.getItem(REMEMBERED) as Appearance | null;
  if (remembered !== null && APPEARANCES.includes(remembered)) appearance.value = remembered;
  effect(() => {
    document.documentElement.dataset["appearance"] = appearance.value;
  });
}

export function nextAppearance(): void {
  const next = APPEARANCES[(APPEARANCES.indexOf(appearance.value) + 1) % APPEARANCES.length] ?? "auto";
  appearance.value = next;
  localStorage.setItem(REMEMBERED, next);
}
