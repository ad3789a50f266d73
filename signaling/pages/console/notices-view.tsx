/** The short messages, and the banner that says when the switchboard is away. */
import { CheckIcon, CloseIcon, WarningIcon } from "../shared/icons";
import type { Desk } from "./desk";
import type { Notice } from "./notices";
import { problemText, timeOfDay } from "./saying";
import { words } from "./words";

export function NoticesView({ desk }: { desk: Desk }) {
  const w = words();
  return (
    <div class="notices" role="status">
      {desk.notices.shown.value.map(({ id, notice }) => (
        <div key={id} class={`toast toast-${notice.kind}`} data-notice={notice.kind}>
          {notice.kind === "whispered" || notice.kind === "noted" || notice.kind === "answered" ? <CheckIcon /> : <WarningIcon />}
          <p>{textOf(notice, desk)}</p>
          {notice.kind === "missed" && (
            <button type="button" class="toast-action" onClick={() => desk.choose("available")}>{w.strip.backAvailable}</button>
          )}
          <button type="button" class="toast-close" aria-label={w.actions.dismiss} onClick={() => desk.notices.dismiss(id)}><CloseIcon /></button>
        </div>
      ))}
    </div>
  );
}

function textOf(notice: Notice, desk: Desk): string {
  const w = words();
  const caller = (of: { readonly caller: string | null }) => of.caller ?? w.list.unknownCaller;
  switch (notice.kind) {
    case "problem":
      return problemText(notice.code, notice.name);
    case "answered":
      return w.notice.answered(desk.nameOf(notice.operator), caller(notice));
    case "missed":
      return w.notice.missed(caller(notice));
    case "lost_to_agent":
      return w.notice.lostToAgent(caller(notice));
    case "whispered":
      return w.notice.whispered;
    case "noted":
      return w.notice.noted;
  }
}

export function Banner({ desk }: { desk: Desk }) {
  const w = words().banner;
  const heardAt = desk.heardAt.value;
  return (
    <div role="alert">
      {!desk.up.value && heardAt !== null && (
        <p class="banner"><WarningIcon /><span>{w.down} {w.last(timeOfDay(heardAt))}</span></p>
      )}
    </div>
  );
}
