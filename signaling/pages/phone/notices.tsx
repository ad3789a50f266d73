/** What is worth knowing while the call goes on, each with what to do about it. */
import { SoundIcon, WarningIcon } from "../shared/icons";
import type { Notice } from "./line";
import type { Phone } from "./phone-model";
import { words } from "./words";

export function Notices({ phone }: { phone: Phone }) {
  const w = words();
  const { line, voices } = phone;
  const shown: (Notice | "not_heard")[] = [...line.notices.value];
  if (voices.notHeard.value) shown.push("not_heard");
  return (
    <div class="notices" role="status">
      {shown.map((notice) => (
        <div key={notice} class="notice" data-notice={notice}>
          <p><WarningIcon /><span>{w.notice[notice]}</span></p>
          {notice === "audio_blocked" && (
            <button type="button" onClick={() => line.play()}><SoundIcon />{w.actions.hear}</button>
          )}
        </div>
      ))}
    </div>
  );
}
