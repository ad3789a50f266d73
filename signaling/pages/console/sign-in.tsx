/** The door: a name and a password. */
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { Refused } from "./api";
import type { Desk } from "./desk";
import { problemText } from "./saying";
import { words } from "./words";

export function SignIn({ desk }: { desk: Desk }) {
  const w = words().signIn;
  const id = useId();
  const name = useRef<HTMLInputElement>(null);
  const password = useRef<HTMLInputElement>(null);
  const [busy, setBusy] = useState(false);
  const [refused, setRefused] = useState<Refused | null>(null);

  useEffect(() => name.current?.focus(), []);

  async function submit(event: Event): Promise<void> {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setRefused(null);
    try {
      await desk.signIn(name.current?.value ?? "", password.current?.value ?? "");
    } catch (error) {
      setRefused(error instanceof Refused ? error : new Refused("other", String(error)));
      setBusy(false);
      if (password.current) password.current.value = "";
      password.current?.focus();
    }
  }

  return (
    <main id="main" class="sign-in-page" tabIndex={-1}>
      <form class="card sign-in" onSubmit={(event) => void submit(event)}>
        <h1>{w.title}</h1>
        <p class="hint">{w.lead}</p>
        <div role="alert">{refused !== null && <p class="form-problem">{problemText(refused.code, refused.name_)}</p>}</div>
        <label for={`${id}-name`}>{w.id}</label>
        <input ref={name} id={`${id}-name`} name="username" autocomplete="username" autocapitalize="none" spellcheck={false} required />
        <label for={`${id}-password`}>{w.password}</label>
        <input ref={password} id={`${id}-password`} name="password" type="password" autocomplete="current-password" required />
        <button type="submit" class="big big-call" aria-disabled={busy}>{busy ? w.busy : w.button}</button>
      </form>
    </main>
  );
}

/** Signed in, but neither operator nor admin. */
export function NotAllowed({ desk }: { desk: Desk }) {
  const w = words().signIn;
  return (
    <main id="main" class="sign-in-page" tabIndex={-1}>
      <div class="card sign-in">
        <h1>{desk.me.value?.name}</h1>
        <p role="alert">{w.notAllowed}</p>
        <button type="button" class="big big-cancel" onClick={() => void desk.signOut()}>{w.out}</button>
      </div>
    </main>
  );
}
