/** What is said on this call, as its caller reads it. */
import { TranscriptLines } from "../shared/transcript-lines";
import type { Phone } from "./phone-model";
import { words } from "./words";

export function TranscriptView({ phone }: { phone: Phone }) {
  const w = words();
  return (
    <TranscriptLines
      lines={phone.line.transcript.value}
      words={w.transcript}
      names={{ caller: w.you, agent: w.agent, operator: w.operator }}
      empty={phone.line.call.value.at === "ended" ? w.transcript.emptyAfter : w.transcript.empty}
    />
  );
}
