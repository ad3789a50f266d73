/** `?debug=1`: what the line is like, how fast the agent answers, and every event as it came. */
import { useEffect, useState } from "preact/hooks";
import type { Envelope } from "../shared/envelope";
import { known } from "../shared/envelope";
import type { LineQuality } from "../shared/peer";
import type { Phone } from "./phone-model";
import { words } from "./words";

const POLL_MS = 1_000;

export function DebugView({ phone }: { phone: Phone }) {
  const w = words().debug;
  const quality = useQuality(phone);
  const events = phone.line.events.value;
  const latencies = events.flatMap((event) => answerTime(event) ?? []);
  const figures: [string, string][] = [
    [w.rtt, milliseconds(quality?.rttMs)],
    [w.jitter, milliseconds(quality?.jitterMs)],
    [w.loss, quality?.lostPercent == null ? w.none : `${quality.lostPercent.toFixed(1)} %`],
    [w.codec, quality?.codec ?? w.none],
    [w.latency, milliseconds(latencies.at(-1))],
    [w.median, milliseconds(median(latencies))],
  ];
  return (
    <section class="card debug" aria-labelledby="debug-title">
      <h2 id="debug-title">{w.title}</h2>
      <dl class="figures">
        {figures.map(([name, value]) => (
          <div key={name}><dt>{name}</dt><dd>{value}</dd></div>
        ))}
      </dl>
      <label class="check">
        <input
          type="checkbox"
          checked={phone.phoneQuality.value}
          onChange={(event) => (phone.phoneQuality.value = event.currentTarget.checked)}
        />
        {w.phoneQuality}
      </label>
      <h3 id="debug-events">{w.events}</h3>
      <div class="events" role="region" aria-labelledby="debug-events" tabIndex={0}>
        {events.length === 0 && <p class="hint">{w.noEvents}</p>}
        {events.toReversed().map((event, index) => (
          <details key={event.id ?? `${events.length - index} ${event.type}`}>
            <summary>
              <span class="event-seq">{event.seq ?? "·"}</span>
              <time>{event.at.slice(11, 23)}</time>
              <code>{event.type}</code>
            </summary>
            <pre>{JSON.stringify(event.data, null, 2)}</pre>
          </details>
        ))}
      </div>
    </section>
  );

  function milliseconds(value: number | null | undefined): string {
    return value == null ? w.none : `${Math.round(value)} ms`;
  }
}

function useQuality(phone: Phone): LineQuality | null {
  const [quality, setQuality] = useState<LineQuality | null>(null);
  useEffect(() => {
    const timer = setInterval(() => {
      phone.line.quality().then(setQuality, () => setQuality(null));
    }, POLL_MS);
    return () => clearInterval(timer);
  }, []);
  return quality;
}

function answerTime(envelope: Envelope): number | null {
  const event = known(envelope);
  return event?.type === "turn.completed" ? event.data.response_latency_ms : null;
}

export function median(values: readonly number[]): number | null {
  if (values.length === 0) return null;
  const sorted = [...values].sort((one, other) => one - other);
  const middle = Math.floor(sorted.length / 2);
  const high = sorted[middle] ?? 0;
  return sorted.length % 2 === 1 ? high : ((sorted[middle - 1] ?? 0) + high) / 2;
}
