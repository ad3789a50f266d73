/** Twelve keys. What was pressed is shown, since a tone cannot be taken back. */
import { isTalking } from "./call";
import type { Phone } from "./phone-model";
import { words } from "./words";

export const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"] as const;
const LETTERS: Readonly<Record<string, string>> = {
  "2": "ABC", "3": "DEF", "4": "GHI", "5": "JKL", "6": "MNO", "7": "PQRS", "8": "TUV", "9": "WXYZ", "0": "+",
};

export function Keypad({ phone }: { phone: Phone }) {
  const w = words();
  const { line, keypadOpen } = phone;
  if (!keypadOpen.value || !isTalking(line.call.value)) return null;
  const spoken: Readonly<Record<string, string>> = { "*": w.keypad.star, "#": w.keypad.pound };
  return (
    <section class="keypad" aria-label={w.keypad.label}>
      <output class="keypad-pressed" aria-label={w.keypad.pressed}>{line.digits.value || "\u00a0"}</output>
      <div class="keypad-keys">
        {KEYS.map((key) => (
          <button key={key} type="button" class="key" aria-label={spoken[key]} onClick={() => void line.press(key)}>
            <span>{key}</span>
            <small>{LETTERS[key]}</small>
          </button>
        ))}
      </div>
      <p class="hint">{w.keypad.hint}</p>
    </section>
  );
}
