/** Which microphone, how loud. */
import { signal } from "@preact/signals";
import { useId } from "preact/hooks";
import { rememberedMicrophone } from "../shared/microphone";
import type { Phone } from "./phone-model";
import { words } from "./words";

const chosen = signal(rememberedMicrophone());

export function SoundSettings({ phone }: { phone: Phone }) {
  const w = words();
  const id = useId();
  const { microphones, line } = phone;
  const known = microphones.value.some((device) => device.id === chosen.value);
  return (
    <details class="sound" onToggle={() => void phone.findMicrophones()}>
      <summary>{w.audio.title}</summary>
      <label for={`${id}-microphone`}>{w.audio.microphone}</label>
      <select
        id={`${id}-microphone`}
        value={known ? chosen.value : ""}
        onChange={(event) => {
          chosen.value = event.currentTarget.value;
          // A microphone that cannot be opened leaves the one that works in place.
          line.chooseMicrophone(chosen.value).catch(() => undefined);
        }}
      >
        <option value="">{w.audio.defaultMicrophone}</option>
        {microphones.value.filter(({ id }) => id !== "default" && id !== "").map((device) => (
          <option key={device.id} value={device.id}>{device.name}</option>
        ))}
      </select>
      <label for={`${id}-volume`}>{w.audio.volume}</label>
      <input
        id={`${id}-volume`}
        type="range" min="0" max="1" step="0.05"
        defaultValue={String(line.speaker.volume)}
        onInput={(event) => (line.speaker.volume = event.currentTarget.valueAsNumber)}
      />
    </details>
  );
}
