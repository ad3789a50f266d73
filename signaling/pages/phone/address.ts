/**
 * What the page's own address asks for. Secrets (`#token=`, `#ticket=`, `?ticket=`) are read once and taken
 * out of the address at once, so that they are not in the history, in a shared link or in a screenshot.
 */
export interface Asked {
  readonly agent: string | null;
  /** A call ticket: good for one call, within a minute. */
  readonly ticket: string | null;
  /** An access token: kept for this tab, so that a reload stays signed in. */
  readonly token: string | null;
  readonly debug: boolean;
}

const REMEMBERED = "cordboard.token";

/** Reads and cleans the address. Call once, before anything else looks at it. */
export function readAddress(): Asked {
  const address = new URL(location.href);
  const fragment = new URLSearchParams(address.hash.slice(1));
  const ticket = fragment.get("ticket") ?? address.searchParams.get("ticket");
  const token = fragment.get("token");
  if (ticket !== null || token !== null) {
    address.hash = "";
    address.searchParams.delete("ticket");
    history.replaceState(null, "", address);
  }
  if (token !== null) rememberToken(token);
  return {
    agent: address.searchParams.get("agent"),
    ticket,
    token: token ?? sessionStorage.getItem(REMEMBERED),
    debug: address.searchParams.get("debug") === "1",
  };
}

export function rememberToken(token: string): void {
  sessionStorage.setItem(REMEMBERED, token);
}

export function forgetToken(): void {
  sessionStorage.removeItem(REMEMBERED);
}
