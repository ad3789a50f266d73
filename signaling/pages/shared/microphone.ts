/** The microphone of whoever talks: asked for before anything else, so that nobody is connected and mute. */

/** Why there is none. `detail` is the browser's own sentence, where the reason says too little. */
export type MicrophoneCode = "insecure_page" | "no_webrtc" | "mic_denied" | "mic_missing" | "mic_busy";

export class MicrophoneRefused extends Error {
  constructor(readonly code: MicrophoneCode, readonly detail: string | null = null) {
    super(code);
  }
}

const REMEMBERED = "cordboard.microphone";

export interface Device {
  readonly id: string;
  readonly name: string;
}

/** Opens the remembered microphone, or the browser's first where that one is gone. Throws `MicrophoneRefused`. */
export async function openMicrophone(): Promise<MediaStream> {
  // getUserMedia exists on https and on localhost only (W3C Secure Contexts).
  if (!isSecureContext || navigator.mediaDevices === undefined) throw new MicrophoneRefused("insecure_page");
  if (typeof RTCPeerConnection === "undefined") throw new MicrophoneRefused("no_webrtc");
  const remembered = rememberedMicrophone();
  try {
    return await capture(remembered);
  } catch (error) {
    const gone = remembered !== "" && error instanceof Error && error.name === "OverconstrainedError";
    if (!gone) throw refusal(error);
  }
  try {
    return await capture("");
  } catch (error) {
    throw refusal(error);
  }
}

/** What a browser's refusal means (W3C Media Capture, getUserMedia's error names). */
function refusal(error: unknown): MicrophoneRefused {
  switch (error instanceof Error ? error.name : "") {
    case "NotAllowedError":
    case "SecurityError":
      return new MicrophoneRefused("mic_denied");
    case "NotFoundError":
    case "OverconstrainedError":
      return new MicrophoneRefused("mic_missing");
    default:
      return new MicrophoneRefused("mic_busy", error instanceof Error ? error.message : null);
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
