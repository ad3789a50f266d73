/** The calls, in three groups. Rows keep their place while the pointer or the keyboard's focus is on them. */
import { useEffect, useId, useRef } from "preact/hooks";
import { AgentIcon, BellIcon, PersonIcon, PhoneIcon } from "../shared/icons";
import { ownerOf, waits, type Call } from "./board";
import { Action } from "./button";
import type { Desk } from "./desk";
import { GROUPS, type Group } from "./rows";
import { callerOf, settledOf, since, stateOf, toneOf } from "./saying";
import { words } from "./words";

export function CallList({ desk }: { desk: Desk }) {
  const w = words();
  const id = useId();
  const rows = desk.shownRows.value;
  const pending = desk.rows.value.pending;
  const hovered = useRef(false);
  const focused = useRef(false);
  const freeze = () => (desk.frozen.value = hovered.current || focused.current);
  const empty = desk.rows.value.rows.length === 0;

  return (
    <section class="calls card" aria-labelledby={`${id}-title`}>
      <div class="calls-head">
        <h1 id={`${id}-title`}>{w.list.label} <span class="count">{desk.rows.value.rows.length}</span></h1>
        <input
          type="search" class="search" data-search aria-label={w.list.search} placeholder={`${w.list.search}  /`}
          value={desk.search.value} onInput={(event) => (desk.search.value = event.currentTarget.value)}
        />
      </div>
      <div class="pending" role="status">
        {pending > 0 && (
          <button type="button" class="chip" onClick={() => ((hovered.current = focused.current = false), freeze())}>{w.list.pending(pending)}</button>
        )}
      </div>
      <div
        class="calls-rows"
        onPointerEnter={(event) => event.pointerType === "mouse" && ((hovered.current = true), freeze())}
        onPointerLeave={() => ((hovered.current = false), freeze())}
        // A clicked row keeps the focus without anybody being at it: only the keyboard's focus counts.
        onFocusIn={(event) => ((focused.current = (event.target as Element).matches(":focus-visible")), freeze())}
        onFocusOut={() => ((focused.current = false), freeze())}
      >
        {empty && (
          <div class="empty">
            <PhoneIcon />
            <p class="empty-title">{w.list.nothing}</p>
            <p class="hint">{w.list.nothingHint}</p>
            <a href="/phone" target="_blank" rel="noopener">{w.list.tryCall}</a>
          </div>
        )}
        {!empty && rows.length === 0 && <p class="empty hint">{w.list.noMatch}</p>}
        {GROUPS.map((group) => {
          const ids = rows.filter((row) => row.group === group).map((row) => row.id);
          return ids.length > 0 && <GroupView key={group} desk={desk} group={group} ids={ids} />;
        })}
      </div>
    </section>
  );
}

function GroupView({ desk, group, ids }: { desk: Desk; group: Group; ids: readonly string[] }) {
  const w = words();
  const id = useId();
  return (
    <section class={`group group-${group}`} aria-labelledby={id}>
      <h2 id={id}>
        {group === "waiting" ? <BellIcon /> : group === "people" ? <PersonIcon /> : <AgentIcon />}
        {w.list.groups[group]} <span class="count">{ids.length}</span>
      </h2>
      <ul>
        {ids.map((each) => {
          const call = desk.board.value.calls.get(each);
          return call !== undefined && <RowView key={each} desk={desk} call={call} />;
        })}
      </ul>
    </section>
  );
}

function RowView({ desk, call }: { desk: Desk; call: Call }) {
  const w = words();
  const row = useRef<HTMLLIElement>(null);
  const chosen = desk.selectedId.value === call.id;
  const waiting = waits(call);
  const over = call.state === "ended";
  const clock = waiting ? since(call.handoff?.requested_at ?? null, desk.now.value) : over ? "" : since(call.answered_at ?? call.started_at, desk.now.value);
  useEffect(() => {
    if (chosen) row.current?.scrollIntoView({ block: "nearest" });
  }, [chosen]);
  return (
    <li ref={row} class={`row ${chosen ? "row-chosen" : ""} ${over ? "row-over" : ""}`} data-call={call.id}>
      <button type="button" class="row-open" aria-current={chosen ? "true" : undefined} onClick={() => desk.select(call.id)}>
        <span class="row-top">
          <span class="row-caller">{callerOf(call)}</span>
          {clock !== "" && <span class="row-clock"><span class="for-readers">{waiting ? w.call.waited : w.call.length} </span>{clock}</span>}
        </span>
        <span class={`badge badge-${toneOf(call)}`}>{stateOf(call, desk)}</span>
        {call.barging.length > 0 && <span class="badge badge-person">{w.state.barging(call.barging.map((each) => desk.nameOf(each)).join(", "))}</span>}
        {settledOf(call) !== null && <span class="badge badge-wait">{settledOf(call)}</span>}
        <span class="row-said">{waiting && call.handoff?.reason ? call.handoff.reason : (call.said?.text ?? "")}</span>
      </button>
      {waiting && ownerOf(call) === null && (
        <Action look="go" name="take" disabled={!desk.up.value || desk.working.value} onPress={() => void desk.accept(call)}>
          <PhoneIcon />{w.actions.accept}<span class="for-readers"> {callerOf(call)}</span>
        </Action>
      )}
    </li>
  );
}
