/** A call that did not work: what happened, the likely cause, what to do, and the button that does it. */
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { PhoneIcon, WarningIcon } from "../shared/icons";
import type { Phone } from "./phone-model";
import type { Trouble } from "./trouble";
import { words } from "./words";

export function TroubleCard({ phone, trouble }: { phone: Phone; trouble: Trouble }) {
  const w = words();
  const said = w.trouble[trouble.code];
  return (
    <div class="trouble" data-trouble={trouble.code}>
      <div role="alert">
        <h2><WarningIcon />{said.title}</h2>
        <p>{said.what}</p>
        <p class="trouble-fix">{said.fix}</p>
      </div>
      {trouble.detail !== null && <p class="trouble-detail">{w.detail} {trouble.detail}</p>}
      {trouble.code === "signed_out" ? <SignIn phone={phone} /> : <TryAgain phone={phone} trouble={trouble} />}
    </div>
  );
}

function TryAgain({ phone, trouble }: { phone: Phone; trouble: Trouble }) {
  const w = words();
  const left = useCountdown(trouble.retryAfterS ?? 0);
  const button = useRef<HTMLButtonElement>(null);
  useEffect(() => {
    if (document.activeElement === document.body) button.current?.focus();
  }, []);
  return (
    <button
      ref={button}
      type="button"
      class="big big-call"
      aria-disabled={left > 0}
      onClick={() => left === 0 && void phone.line.start()}
    >
      <PhoneIcon />{left > 0 ? w.actions.tryAgainIn(left) : w.actions.tryAgain}
    </button>
  );
}

function SignIn({ phone }: { phone: Phone }) {
  const w = words();
  const field = useRef<HTMLInputElement>(null);
  const id = useId();
  useEffect(() => field.current?.focus(), []);
  return (
    <form
      class="sign-in"
      onSubmit={(event) => {
        event.preventDefault();
        const token = field.current?.value.trim();
        if (token) phone.signIn(token);
      }}
    >
      <label for={id}>{w.signIn.label}</label>
      <input ref={field} id={id} type="password" autocomplete="off" spellcheck={false} required />
      <p class="hint">{w.signIn.hint}</p>
      <button type="submit" class="big big-call"><PhoneIcon />{w.signIn.button}</button>
    </form>
  );
}

/** Whole seconds left of `seconds`, counted by the clock and not by ticks. */
function useCountdown(seconds: number): number {
  const [left, setLeft] = useState(seconds);
  useEffect(() => {
    const endMs = performance.now() + seconds * 1000;
    const timer = setInterval(() => {
      const now = Math.max(0, Math.ceil((endMs - performance.now()) / 1000));
      setLeft(now);
      if (now === 0) clearInterval(timer);
    }, 250);
    return () => clearInterval(timer);
  }, [seconds]);
  return left;
}
