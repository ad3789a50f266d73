/** Which microphone, which loudspeaker, how it rings; and a look whether the microphone works. */
import { signal } from "@preact/signals";
import { useEffect, useId, useState } from "preact/hooks";
import { SoundIcon } from "../shared/icons";
import { LevelMeter } from "../shared/level";
import { LevelBars } from "../shared/level-bars";
import {
  MicrophoneRefused, listMicrophones, openMicrophone, rememberMicrophone, rememberedMicrophone, type Device,
} from "../shared/microphone";
import { Action } from "./button";
import type { Desk } from "./desk";
import { words } from "./words";

const SPEAKER = "cordboard.speaker";

const microphones = signal<readonly Device[]>([]);
const speakers = signal<readonly Device[]>([]);

async function look(): Promise<void> {
  microphones.value = await listMicrophones();
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  speakers.value = devices
    .filter(({ kind, label, deviceId }) => kind === "audiooutput" && label !== "" && deviceId !== "default")
    .map(({ deviceId, label }) => ({ id: deviceId, name: label }));
}

/** The remembered loudspeaker, as soon as the page may choose one. */
export function useSpeaker(element: HTMLAudioElement): void {
  const id = localStorage.getItem(SPEAKER) ?? "";
  if (id !== "" && "setSinkId" in element) element.setSinkId(id).catch(() => localStorage.removeItem(SPEAKER));
}

export function SoundMenu({ desk }: { desk: Desk }) {
  const w = words().sound;
  const id = useId();
  const [loud, setLoud] = useState(desk.ring.loud);
  const [permission, setPermission] = useState("Notification" in window ? Notification.permission : "denied");
  return (
    <details class="menu" onToggle={() => void look()}>
      <summary class="action"><SoundIcon />{w.title}</summary>
      <div class="menu-body card">
        <label for={`${id}-microphone`}>{w.microphone}</label>
        <select
          id={`${id}-microphone`} defaultValue={rememberedMicrophone()}
          onChange={(event) => {
            rememberMicrophone(event.currentTarget.value);
            void desk.leg.changeMicrophone().catch(() => undefined);
          }}
        >
          <option value="">{w.default}</option>
          {microphones.value.filter((each) => each.id !== "default").map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
        </select>
        <MicrophoneTest />
        {"setSinkId" in desk.leg.speaker && (
          <>
            <label for={`${id}-speaker`}>{w.speaker}</label>
            <select
              id={`${id}-speaker`} defaultValue={localStorage.getItem(SPEAKER) ?? ""}
              onChange={(event) => {
                localStorage.setItem(SPEAKER, event.currentTarget.value);
                void desk.leg.speaker.setSinkId(event.currentTarget.value).catch(() => undefined);
              }}
            >
              <option value="">{w.default}</option>
              {speakers.value.map((each) => <option key={each.id} value={each.id}>{each.name}</option>)}
            </select>
          </>
        )}
        <label class="check">
          <input type="checkbox" checked={loud} onChange={(event) => setLoud((desk.ring.loud = event.currentTarget.checked))} />
          {w.ring}
        </label>
        <Action onPress={() => desk.ring.sound()}>{w.tryRing}</Action>
        {permission === "default" ? (
          <Action onPress={() => void Notification.requestPermission().then(setPermission)}>{w.notify}</Action>
        ) : (
          <p class="hint">{permission === "granted" ? w.notifyOn : w.notifyOff}</p>
        )}
      </div>
    </details>
  );
}

function MicrophoneTest() {
  const w = words();
  const [meter, setMeter] = useState<LevelMeter | null>(null);
  const [refused, setRefused] = useState<string | null>(null);
  const [stream, setStream] = useState<MediaStream | null>(null);
  useEffect(() => () => {
    meter?.close();
    for (const track of stream?.getTracks() ?? []) track.stop();
  }, [meter, stream]);
  async function begin(): Promise<void> {
    try {
      const opened = await openMicrophone();
      const context = new AudioContext();
      await context.resume();
      setStream(opened);
      setMeter(new LevelMeter(context, opened));
      setRefused(null);
      void look(); // names are told from now on
    } catch (error) {
      setRefused(error instanceof MicrophoneRefused ? w.problem[error.code] : w.problem.other);
    }
  }
  return (
    <>
      {meter === null ? (
        <Action name="test-microphone" onPress={() => void begin()}>{w.sound.test}</Action>
      ) : (
        <>
          <p class="hint">{w.sound.testing}</p>
          <LevelBars read={() => meter.read()} />
          <Action onPress={() => (setMeter(null), setStream(null))}>{w.sound.stopTest}</Action>
        </>
      )}
      <div role="alert">{refused !== null && <p class="form-problem">{refused}</p>}</div>
    </>
  );
}
