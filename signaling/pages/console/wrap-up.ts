/** A call that is over for its operator and waits for notes; kept over a reload of the tab. */
export interface WrapUp {
  readonly callId: string;
  readonly handoffId: string;
  readonly caller: string | null;
  /** Unix ms on this machine's clock: then what is written is saved by itself. */
  readonly until: number;
}

/** As long as the server keeps the operator free for notes (HandoffPolicy.wrap_up_s). */
export const WRAP_UP_MS = 60_000;
export const OUTCOMES = ["solved", "call_back", "passed_on", "not_solved"] as const;
export type Outcome = (typeof OUTCOMES)[number];

const REMEMBERED = "cordboard.wrap-up";

export function rememberWrapUp(wrapUp: WrapUp | null): void {
  if (wrapUp === null) sessionStorage.removeItem(REMEMBERED);
  else sessionStorage.setItem(REMEMBERED, JSON.stringify(wrapUp));
}

export function rememberedWrapUp(nowMs: number): WrapUp | null {
  try {
    const wrapUp = JSON.parse(sessionStorage.getItem(REMEMBERED) ?? "null") as WrapUp | null;
    return wrapUp !== null && wrapUp.until > nowMs ? wrapUp : null;
  } catch {
    return null;
  }
}
