/**
 * The conversation as it is written down.
 *
 * A log (WAI-ARIA): screen readers announce what is added. A sentence still being said is hidden from
 * them and replaced by a new element when it is final, so that each sentence is announced once, whole.
 */
import { useLayoutEffect, useRef } from "preact/hooks";
import { ToolIcon } from "../shared/icons";
import type { Phone } from "./phone-model";
import type { Line, Tool, Words } from "./transcript";
import { words } from "./words";

/** How near to the end one must be, in px, for the list to follow what is said. */
const FOLLOW_PX = 80;

export function TranscriptView({ phone }: { phone: Phone }) {
  const w = words();
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const lines = phone.line.transcript.value.filter((line) => line.kind !== "words" || line.heard !== "" || line.cut !== "");
  const at = phone.line.call.value.at;

  useLayoutEffect(() => {
    if (follows.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [phone.line.transcript.value]);

  return (
    <section class="card transcript" aria-labelledby="transcript-title">
      <h2 id="transcript-title">{w.transcript.title}</h2>
      <div
        ref={box}
        class="transcript-lines"
        role="log"
        aria-labelledby="transcript-title"
        // Scrolled by keyboard as well as by pointer (WCAG 2.1.1).
        tabIndex={0}
        onScroll={(event) => {
          const { scrollHeight, scrollTop, clientHeight } = event.currentTarget;
          follows.current = scrollHeight - scrollTop - clientHeight < FOLLOW_PX;
        }}
      >
        {lines.map((line) => <LineView key={keyOf(line)} line={line} />)}
      </div>
      {lines.length === 0 && (
        <p class="transcript-empty">{at === "ended" ? w.transcript.emptyAfter : w.transcript.empty}</p>
      )}
    </section>
  );
}

function keyOf(line: Line): string {
  return `${line.kind} ${line.id} ${line.kind === "words" && !line.final ? "partial" : ""}`;
}

function LineView({ line }: { line: Line }) {
  switch (line.kind) {
    case "words":
      return <WordsView line={line} />;
    case "tool":
      return <ToolView line={line} />;
    case "handoff":
      return <p class="line-note">{words().transcript.handoff(line.reason)}</p>;
  }
}

function WordsView({ line }: { line: Words }) {
  const w = words();
  const name = { caller: w.you, agent: w.agent, operator: w.operator }[line.speaker];
  return (
    <div class={`line line-${line.speaker} ${line.final ? "" : "line-partial"}`} aria-hidden={!line.final}>
      <span class="line-speaker">
        {name}
        {line.interrupted && <span class="line-tag">{w.transcript.interrupted}</span>}
      </span>
      <p class="line-text">
        {line.heard}
        {line.cut !== "" && (
          <>
            <span class="for-readers"> {w.transcript.notHeard} </span>
            <del>{line.cut}</del>
          </>
        )}
      </p>
    </div>
  );
}

function ToolView({ line }: { line: Tool }) {
  const w = words();
  const state = {
    running: w.transcript.toolRunning,
    done: w.transcript.toolDone(line.durationMs ?? 0),
    failed: w.transcript.toolFailed,
  }[line.state];
  return (
    <details class={`line-tool line-tool-${line.state}`}>
      <summary><ToolIcon /><code>{line.name}</code><span class="line-tool-state">{state}</span></summary>
      <dl>
        <dt>{w.transcript.toolGiven}</dt>
        <dd><pre>{JSON.stringify(line.given, null, 2)}</pre></dd>
        {line.state !== "running" && (
          <>
            <dt>{w.transcript.toolAnswered}</dt>
            <dd><pre>{JSON.stringify(line.answered, null, 2)}</pre></dd>
          </>
        )}
      </dl>
    </details>
  );
}
