/** The two ends of the call and the cord between them: who is there, and who is talking. */
import { AgentIcon, PersonIcon } from "../shared/icons";
import { LevelBars } from "../shared/level-bars";
import { isTalking, type State } from "./call";
import type { Phone } from "./phone-model";
import { words } from "./words";

export function Ends({ phone }: { phone: Phone }) {
  const w = words();
  const { line, voices } = phone;
  const at = line.call.value.at;
  const talking = isTalking(line.call.value);
  const working = line.transcript.value.some((entry) => entry.kind === "tool" && entry.state === "running");
  const you = line.muted.value ? w.speaking.you.muted : voices.youSpeak.value ? w.speaking.you.on : w.speaking.you.off;
  const agent = voices.agentSpeaks.value
    ? w.speaking.agent.on
    : working ? w.speaking.agent.working : w.speaking.agent.off;
  return (
    <div class={`ends ends-${at}`}>
      <div class="ends-cord">
        <span class={`jack ${talking && voices.youSpeak.value ? "jack-speaking" : ""}`}><PersonIcon /></span>
        <Cord at={at} />
        <span class={`jack jack-agent ${talking && voices.agentSpeaks.value ? "jack-speaking" : ""}`}><AgentIcon /></span>
      </div>
      <div class="ends-words">
        <p class="end" data-end="you">
          <span class="end-name">{w.you}</span>
          {talking && <span class="end-state">{you}</span>}
        </p>
        <p class="end" data-end="agent">
          <span class="end-name">{w.agent}</span>
          {talking && <span class="end-state">{agent}</span>}
        </p>
      </div>
      {talking && (
        <div class="levels">
          <LevelBars read={() => (line.muted.value ? 0 : voices.yourLevel)} />
          <LevelBars read={() => voices.agentLevel} />
        </div>
      )}
    </div>
  );
}

function Cord({ at }: { at: State }) {
  const plugged = at === "talking" || at === "reconnecting" || at === "connecting";
  return (
    <svg class="cord" viewBox="0 0 100 40" preserveAspectRatio="none" aria-hidden="true" focusable="false">
      {plugged ? (
        <path d="M0 9C28 9 22 34 50 34S72 9 100 9" />
      ) : (
        <>
          <path d="M0 9C26 9 18 36 44 33" />
          <path class="cord-plug" d="M44 33l7-2" />
        </>
      )}
    </svg>
  );
}
