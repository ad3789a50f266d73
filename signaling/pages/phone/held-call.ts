/**
 * The call this tab is on, remembered over a reload: where it lives and the token that leads back to it.
 *
 * In sessionStorage, which a duplicated tab inherits: a Web Lock that ends with the page says which of the two
 * may take the call up again.
 */
export interface HeldCall {
  readonly callId: string;
  readonly location: string;
  readonly resume: string;
  /** Unix ms. */
  readonly answeredAt: number;
}

const REMEMBERED = "cordboard.call";
/** A page that is being reloaded lets go of its lock within a moment; a tab that lives never does. */
const LOCK_WAIT_MS = 1_500;

export function holdCall(call: HeldCall): void {
  sessionStorage.setItem(REMEMBERED, JSON.stringify(call));
  void navigator.locks?.request(lockOf(call), { ifAvailable: true }, untilThePageEnds);
}

export function letGoOfCall(): void {
  sessionStorage.removeItem(REMEMBERED);
}

/** The call that this tab was on when it was reloaded, or null. */
export async function heldCall(): Promise<HeldCall | null> {
  let held: HeldCall;
  try {
    held = JSON.parse(sessionStorage.getItem(REMEMBERED) ?? "null") as HeldCall;
  } catch {
    return null;
  }
  if (held === null) return null;
  if (navigator.locks === undefined) return held;
  return new Promise((resolve) => {
    navigator.locks
      .request(lockOf(held), { signal: AbortSignal.timeout(LOCK_WAIT_MS) }, (lock) => {
        resolve(held);
        return untilThePageEnds(lock);
      })
      .catch(() => {
        letGoOfCall(); // another tab has it
        resolve(null);
      });
  });
}

function lockOf(call: HeldCall): string {
  return `cordboard.call.${call.callId}`;
}

function untilThePageEnds(lock: Lock | null): Promise<void> {
  return lock === null ? Promise.resolve() : new Promise(() => undefined);
}
