/** The call that is open: who, how long, why a person is wanted, what is known, what is said, what can be done. */
import { useRef } from "preact/hooks";
import { CheckIcon, EarIcon, PeopleIcon, PhoneIcon, WhisperIcon } from "../shared/icons";
import { TranscriptLines } from "../shared/transcript-lines";
import { isOpen, ownerOf, waits, type Call } from "./board";
import { Action } from "./button";
import type { Desk } from "./desk";
import { EndButton } from "./line-strip";
import { OneLine } from "./one-line";
import { callerOf, settledOf, since, stateOf, toneOf, valueText } from "./saying";
import { words } from "./words";
import { WrapUpCard } from "./wrap-up-card";

export function CallView({ desk }: { desk: Desk }) {
  const w = words();
  const call = desk.selected.value;
  const heading = useRef<HTMLHeadingElement>(null);
  const wrapUp = desk.wrapUp.value !== null && <WrapUpCard key={desk.wrapUp.value.handoffId} desk={desk} wrapUp={desk.wrapUp.value} />;
  if (call === null) {
    return (
      <section class="detail" aria-label={w.call.none}>
        {wrapUp}
        <div class="card empty">
          <p class="empty-title">{w.call.none}</p>
          <p class="hint">{w.call.noneHint}</p>
        </div>
      </section>
    );
  }
  const lines = desk.watched.value?.lines.value ?? [];
  const version = call.agent_version ?? "";
  return (
    <section class="detail" aria-labelledby="call-title" data-open={call.id}>
      {wrapUp}
      <div class="card call-head">
        <div class="call-who">
          <h2 id="call-title" ref={heading} tabIndex={-1}>{callerOf(call)}</h2>
          <p class="hint">{version === "" ? call.agent : w.call.agent(call.agent ?? "", version)}</p>
        </div>
        <div class="call-state">
          <span class={`badge badge-${toneOf(call)}`} role="status">{stateOf(call, desk)}</span>
          {settledOf(call) !== null && <span class="badge badge-wait">{settledOf(call)}</span>}
          {desk.watched.value?.recorded.value && <span class="badge badge-rec"><span class="dot" aria-hidden="true" />{w.call.recorded}</span>}
          {call.state !== "ended" && <span class="call-clock" role="timer" aria-label={w.call.length}>{since(call.answered_at ?? call.started_at, desk.now.value)}</span>}
        </div>
        <HandoffFacts desk={desk} call={call} />
        <Slots desk={desk} call={call} />
      </div>
      <TranscriptLines
        key={call.id}
        lines={lines}
        words={w.transcript}
        names={{ caller: w.transcript.caller, agent: w.transcript.agent, operator: w.transcript.operator }}
        empty={desk.watched.value?.incomplete.value ? w.call.incomplete : w.transcript.empty}
      />
      <Actions desk={desk} call={call} />
    </section>
  );
}

function HandoffFacts({ desk, call }: { desk: Desk; call: Call }) {
  const w = words();
  const { handoff } = call;
  if (!isOpen(handoff)) return null;
  return (
    <div class="handoff">
      <h3>
        {w.call.method[handoff.method ?? ""] ?? w.call.handoff}
        {waits(call) && <span class="handoff-wait">{w.call.waited} <span role="timer">{since(handoff.requested_at, desk.now.value)}</span></span>}
      </h3>
      <dl>
        <dt>{w.call.reason}</dt>
        <dd>{handoff.reason || "–"}</dd>
        <dt>{w.call.summary}</dt>
        <dd>{handoff.summary || w.call.noSummary}</dd>
      </dl>
    </div>
  );
}

function Slots({ desk, call }: { desk: Desk; call: Call }) {
  const w = words();
  const known = new Set(call.slots.map(({ goal, slot }) => `${goal} ${slot}`));
  const begun = new Set(call.slots.map(({ goal }) => goal));
  const required = desk.watched.value?.required.value ?? {};
  // Only of goals that were begun: what a caller never came for is not missing.
  const missing = Object.entries(required)
    .filter(([goal]) => begun.has(goal))
    .flatMap(([goal, slots]) => slots.filter((slot) => !known.has(`${goal} ${slot}`)));
  if (call.slots.length === 0) return null;
  return (
    <div class="slots">
      <h3>{w.call.slots}</h3>
      <ul>
        {call.slots.map(({ goal, slot, value, confirmed }) => (
          <li key={`${goal} ${slot}`} class={confirmed ? "slot slot-confirmed" : "slot"}>
            <span class="slot-name">{slot}</span> <span class="slot-value">{valueText(value)}</span>
            {confirmed && <CheckIcon />}
            <span class="for-readers"> {confirmed ? w.call.confirmed : w.call.unconfirmed}</span>
          </li>
        ))}
        {missing.map((slot) => (
          <li key={slot} class="slot slot-missing"><span class="slot-name">{slot}</span> {w.call.missing}</li>
        ))}
      </ul>
    </div>
  );
}

function Actions({ desk, call }: { desk: Desk; call: Call }) {
  const w = words();
  const on = desk.leg.on;
  const here = on?.callId === call.id ? on.part : null;
  if (call.state === "ended" || here === "talk" || ownerOf(call) === desk.me.value?.id) return null; // the strip has the rest
  const off = !desk.up.value || desk.working.value;
  const person = ownerOf(call) !== null;
  return (
    <div class="card actions" role="group" aria-label={w.actions.label}>
      <div class="actions-row">
        {waits(call) ? (
          <Action look="go" name="answer" hotkey="T" disabled={off} onPress={() => void desk.accept(call)}><PhoneIcon />{w.actions.accept}</Action>
        ) : !person && (
          <Action look="go" name="takeover" hotkey="T" disabled={off} onPress={() => void desk.join(call.id, "talk")}><PhoneIcon />{w.actions.takeOver}</Action>
        )}
        {here !== "listen" && <Action name="listen" hotkey="L" disabled={off} onPress={() => void desk.join(call.id, "listen")}><EarIcon />{w.actions.listen}</Action>}
        {here !== "barge" && <Action name="barge" hotkey="B" disabled={off} onPress={() => void desk.join(call.id, "barge")}><PeopleIcon />{w.actions.barge}</Action>}
        {!person && (
          <Action name="whisper" hotkey="W" disabled={off} expanded={desk.asking.value === "whisper"} onPress={() => (desk.asking.value = desk.asking.value === "whisper" ? null : "whisper")}>
            <WhisperIcon />{w.actions.whisper}
          </Action>
        )}
        <EndButton desk={desk} call={call} />
      </div>
      {desk.asking.value === "whisper" && (
        <OneLine
          label={w.whisper.label} hint={w.whisper.hint} button={w.actions.send}
          onSend={(text) => void desk.whisper(call, text)} onCancel={() => (desk.asking.value = null)}
        />
      )}
    </div>
  );
}
