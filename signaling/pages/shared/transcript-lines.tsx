/**
 * The conversation as it is written down.
 *
 * A log (WAI-ARIA): screen readers announce what is added. A sentence still being said is hidden from
 * them and replaced by a new element when it is final, so that each sentence is announced once, whole.
 */
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import type { Speaker } from "./envelope";
import { ToolIcon } from "./icons";
import type { Line, Tool, Transcript, Words } from "./transcript";

export interface TranscriptWords {
  readonly title: string;
  readonly interrupted: string;
  readonly notHeard: string;
  readonly toolRunning: string;
  readonly toolDone: (ms: number) => string;
  readonly toolFailed: string;
  readonly toolGiven: string;
  readonly toolAnswered: string;
  readonly handoff: (reason: string) => string;
}

export interface TranscriptLinesProps {
  readonly lines: Transcript;
  readonly words: TranscriptWords;
  /** Who is who, for this reader. */
  readonly names: Readonly<Record<Speaker, string>>;
  /** What stands there while there are no lines. */
  readonly empty: string;
}

/** How near to the end one must be, in px, for the list to follow what is said. */
const FOLLOW_PX = 80;

export function TranscriptLines({ lines, words, names, empty }: TranscriptLinesProps) {
  const box = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const shown = lines.filter((line) => line.kind !== "words" || line.heard !== "" || line.cut !== "");

  useLayoutEffect(() => {
    if (follows.current && box.current) box.current.scrollTop = box.current.scrollHeight;
  }, [lines]);
  useEffect(() => {
    // Where the box becomes smaller, the newest words would slip out below.
    const watch = new ResizeObserver(() => {
      if (follows.current && box.current) box.current.scrollTop = box.current.scrollHeight;
    });
    if (box.current) watch.observe(box.current);
    return () => watch.disconnect();
  }, []);

  return (
    <section class="card transcript" aria-labelledby="transcript-title">
      <h2 id="transcript-title">{words.title}</h2>
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
        {shown.map((line) => <LineView key={keyOf(line)} line={line} words={words} names={names} />)}
      </div>
      {shown.length === 0 && <p class="transcript-empty">{empty}</p>}
    </section>
  );
}

function keyOf(line: Line): string {
  return `${line.kind} ${line.id} ${line.kind === "words" && !line.final ? "partial" : ""}`;
}

type LineProps<L> = Pick<TranscriptLinesProps, "words" | "names"> & { readonly line: L };

function LineView({ line, words, names }: LineProps<Line>) {
  switch (line.kind) {
    case "words":
      return <WordsView line={line} words={words} names={names} />;
    case "tool":
      return <ToolView line={line} words={words} names={names} />;
    case "handoff":
      return <p class="line-note">{words.handoff(line.reason)}</p>;
  }
}

function WordsView({ line, words, names }: LineProps<Words>) {
  return (
    <div class={`line line-${line.speaker} ${line.final ? "" : "line-partial"}`} aria-hidden={!line.final}>
      <span class="line-speaker">
        {names[line.speaker]}
        {line.interrupted && <span class="line-tag">{words.interrupted}</span>}
      </span>
      <p class="line-text">
        {line.heard}
        {line.cut !== "" && (
          <>
            <span class="for-readers"> {words.notHeard} </span>
            <del>{line.cut}</del>
          </>
        )}
      </p>
    </div>
  );
}

function ToolView({ line, words }: LineProps<Tool>) {
  const state = {
    running: words.toolRunning,
    done: words.toolDone(line.durationMs ?? 0),
    failed: words.toolFailed,
  }[line.state];
  return (
    <details class={`line-tool line-tool-${line.state}`}>
      <summary><ToolIcon /><code>{line.name}</code><span class="line-tool-state">{state}</span></summary>
      <dl>
        <dt>{words.toolGiven}</dt>
        <dd><pre>{JSON.stringify(line.given, null, 2)}</pre></dd>
        {line.state !== "running" && (
          <>
            <dt>{words.toolAnswered}</dt>
            <dd><pre>{JSON.stringify(line.answered, null, 2)}</pre></dd>
          </>
        )}
      </dl>
    </details>
  );
}
