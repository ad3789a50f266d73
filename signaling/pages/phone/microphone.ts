/** The caller's microphone: asked for before anything else, so that nobody is connected and mute. */
import { Stopped, microphoneTrouble, trouble } from "./trouble";

const REMEMBERED = "cordboard.microphone";

export interface Device {
  readonly id: string;
  readonly name: string;
}

/** Opens the remembered microphone, or the browser's first where that one is gone. Throws `Stopped`. */
export async function openMicrophone(): Promise<MediaStream> {
  // getUserMedia exists on https and on localhost only (W3C Secure Contexts).
  if (!isSecureContext || navigator.mediaDevices === undefined) throw new Stopped(trouble("insecure_page"));
  if (typeof RTCPeerConnection === "undefined") throw new Stopped(trouble("no_webrtc"));
  const remembered = rememberedMicrophone();
  try {
    return await capture(remembered);
  } catch (error) {
    const gone = remembered !== "" && error instanceof Error && error.name === "OverconstrainedError";
    if (!gone) throw new Stopped(microphoneTrouble(error));
  }
  try {
    return await capture("");
  } catch (error) {
    throw new Stopped(microphoneTrouble(error));
  }
}

async function capture(deviceId: string): Promise<MediaStream> {
  return navigator.mediaDevices.getUserMedia({
    audio: {
      echoCancellation: true, // without it the agent hears itself through the loudspeaker and stops
      noiseSuppression: true,
      autoGainControl: true,
      ...(deviceId === "" ? {} : { deviceId: { exact: deviceId } }),
    },
  });
}

/** Known microphones; names are empty until the browser has been given leave once. */
export async function listMicrophones(): Promise<readonly Device[]> {
  const devices = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
  return devices
    .filter((device) => device.kind === "audioinput" && device.label !== "")
    .map((device) => ({ id: device.deviceId, name: device.label }));
}

export function rememberedMicrophone(): string {
  return localStorage.getItem(REMEMBERED) ?? "";
}

export function rememberMicrophone(deviceId: string): void {
  localStorage.setItem(REMEMBERED, deviceId);
}
