/** In the header: how the desk sees this person, the connection, and which tab has the audio. */
import { SoundIcon } from "../shared/icons";
import type { Chosen, Desk } from "./desk";
import { words } from "./words";

export function TopBar({ desk }: { desk: Desk }) {
  const w = words();
  const { up, tab, chosen, wrapUp, mine, me } = desk;
  const shown = mine.value !== null ? "onCall" : wrapUp.value !== null ? "wrap_up" : chosen.value;
  return (
    <div class="top-bar">
      <span class={`connection ${up.value ? "connection-up" : "connection-down"}`} role="status">
        <span class="dot" aria-hidden="true" />
        {up.value ? w.connection.up : w.connection.down}
      </span>
      {tab.value?.here.value ? (
        <span class="audio-here"><SoundIcon />{w.audio.here}</span>
      ) : (
        <button type="button" class="quiet audio-move" onClick={() => desk.moveHere()}>
          <SoundIcon /><span class="for-readers">{w.audio.elsewhere} </span>{w.audio.move}
        </button>
      )}
      <button type="button" class="quiet" aria-haspopup="dialog" onClick={() => (desk.helping.value = true)}>
        <kbd aria-hidden="true">?</kbd>{w.help.button}
      </button>
      <span class={`presence presence-${shown}`}>
        <span class="dot" aria-hidden="true" />
        <select
          aria-label={w.presence.label}
          data-presence={shown}
          value={shown === "onCall" || shown === "wrap_up" ? shown : chosen.value}
          onChange={(event) => desk.choose(event.currentTarget.value as Chosen)}
        >
          {(shown === "onCall" || shown === "wrap_up") && <option value={shown}>{w.presence[shown]}</option>}
          <option value="available">{w.presence.available}</option>
          <option value="busy">{w.presence.busy}</option>
        </select>
      </span>
      <button type="button" class="quiet me" onClick={() => void desk.signOut()} aria-label={`${me.value?.name ?? ""}: ${w.signIn.out}`}>
        <span class="me-name">{me.value?.name}</span>{w.signIn.out}
      </button>
    </div>
  );
}
