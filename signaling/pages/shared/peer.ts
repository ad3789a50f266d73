/**
 * The voice path to the switchboard, a caller's or an operator's: one RTCPeerConnection with one audio line.
 *
 * Order of calls: `offer` → (HTTP) → `accept` → … → `close`. The offer is posted without gathering first
 * (the switchboard learns our address from our own checks), which brings the first sound a second sooner.
 */
export interface PeerEvents {
  /** A path was found; it is being secured. */
  readonly onSecuring: () => void;
  readonly onConnected: () => void;
  /** The path is gone for the moment; where not `broken`, it may come back by itself. */
  readonly onInterrupted: (broken: boolean) => void;
  /** The other side closed the connection. */
  readonly onClosed: () => void;
  readonly onStream: (stream: MediaStream) => void;
}

/** What the line is like now; null where the browser does not say. */
export interface LineQuality {
  readonly rttMs: number | null;
  readonly jitterMs: number | null;
  readonly lostPercent: number | null;
  readonly codec: string | null;
}

export class Peer {
  readonly #connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
  readonly #events: PeerEvents;
  #sender: RTCRtpSender | null = null;

  constructor(events: PeerEvents) {
    this.#events = events;
    const connection = this.#connection;
    connection.ontrack = ({ track, streams }) => events.onStream(streams[0] ?? new MediaStream([track]));
    connection.oniceconnectionstatechange = () => {
      if (connection.iceConnectionState === "connected") events.onSecuring();
    };
    connection.onconnectionstatechange = () => this.#connectionChanged();
  }

  /**
   * The SDP offer for this microphone; null only listens. `phoneQuality` asks for 8 kHz G.711, as a telephone
   * would sound.
   */
  async offer(microphone: MediaStream | null, phoneQuality: boolean): Promise<RTCSessionDescriptionInit> {
    const track = microphone?.getAudioTracks()[0];
    const transceiver = this.#connection.addTransceiver(track ?? "audio", {
      direction: microphone === null ? "recvonly" : "sendrecv",
      streams: microphone === null ? [] : [microphone],
    });
    this.#sender = transceiver.sender;
    if (phoneQuality) transceiver.setCodecPreferences(telephoneFirst());
    return this.#connection.createOffer();
  }

  /** Starts the path. Describing our side only now lets the answer's ICE servers count (RFC 9725 4.6). */
  async accept(
    offer: RTCSessionDescriptionInit,
    answerSdp: string,
    iceServers: readonly RTCIceServer[],
  ): Promise<void> {
    if (iceServers.length > 0) {
      this.#connection.setConfiguration({ ...this.#connection.getConfiguration(), iceServers: [...iceServers] });
    }
    await this.#connection.setLocalDescription(offer);
    const transport = this.#sender?.transport;
    if (transport) {
      transport.onstatechange = () => {
        if (transport.state === "closed") this.#events.onClosed();
      };
    }
    await this.#connection.setRemoteDescription({ type: "answer", sdp: answerSdp });
  }

  /** Replaces what is sent without a new offer. */
  async useMicrophone(microphone: MediaStream): Promise<void> {
    await this.#sender?.replaceTrack(microphone.getAudioTracks()[0] ?? null);
  }

  /** Sends a key as RFC 4733 events. False where the call did not agree on telephone-event. */
  sendDigit(digit: string): boolean {
    const dtmf = this.#sender?.dtmf;
    if (!dtmf?.canInsertDTMF) return false;
    // insertDTMF replaces what is still waiting: append, so that quick fingers lose no key.
    dtmf.insertDTMF(dtmf.toneBuffer + digit, 100, 70);
    return true;
  }

  async quality(): Promise<LineQuality> {
    const report = await this.#connection.getStats();
    let rttMs: number | null = null;
    let jitterMs: number | null = null;
    let lostPercent: number | null = null;
    let codec: string | null = null;
    for (const entry of report.values() as Iterable<Record<string, unknown>>) {
      if (entry["type"] === "candidate-pair" && entry["nominated"] === true) {
        rttMs = milliseconds(entry["currentRoundTripTime"]) ?? rttMs;
      }
      if (entry["type"] === "inbound-rtp" && entry["kind"] === "audio") {
        jitterMs = milliseconds(entry["jitter"]);
        const received = Number(entry["packetsReceived"] ?? 0);
        const lost = Math.max(0, Number(entry["packetsLost"] ?? 0));
        lostPercent = received + lost > 0 ? (100 * lost) / (received + lost) : null;
        const used = report.get(String(entry["codecId"])) as Record<string, unknown> | undefined;
        if (used) codec = `${String(used["mimeType"]).replace("audio/", "")} ${Number(used["clockRate"]) / 1000} kHz`;
      }
    }
    return { rttMs, jitterMs, lostPercent, codec };
  }

  /** Idempotent; no event follows. */
  close(): void {
    const connection = this.#connection;
    connection.ontrack = connection.oniceconnectionstatechange = connection.onconnectionstatechange = null;
    const transport = this.#sender?.transport;
    if (transport) transport.onstatechange = null;
    connection.close();
  }

  #connectionChanged(): void {
    switch (this.#connection.connectionState) {
      case "connected":
        this.#events.onConnected();
        break;
      case "disconnected":
        this.#events.onInterrupted(false);
        break;
      case "failed":
        this.#events.onInterrupted(true);
        break;
    }
  }
}

function milliseconds(seconds: unknown): number | null {
  return typeof seconds === "number" ? seconds * 1000 : null;
}

function telephoneFirst(): RTCRtpCodec[] {
  const codecs = RTCRtpReceiver.getCapabilities("audio")?.codecs ?? [];
  const rank = (codec: RTCRtpCodec) => (/\/PCM[AU]$/i.test(codec.mimeType) ? 0 : 1);
  return [...codecs].sort((one, other) => rank(one) - rank(other));
}
