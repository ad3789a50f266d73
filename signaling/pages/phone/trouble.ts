/**
 * Everything that can stop a call, as data: a code that chooses title, cause and remedy in words.*.ts.
 *
 * Foreign errors (DOMException, HTTP problems, fetch's TypeError) are translated here, where they enter.
 */
import type { Problem } from "../shared/problem";

export type TroubleCode =
  | "insecure_page"
  | "no_webrtc"
  | "mic_denied"
  | "mic_missing"
  | "mic_busy"
  | "signed_out"
  | "not_allowed"
  | "agent_unknown"
  | "offer_refused"
  | "too_many_calls"
  | "lines_busy"
  | "draining"
  | "model_unreachable"
  | "server_unreachable"
  | "server_silent"
  | "server_error"
  | "ice_timeout"
  | "lost";

export interface Trouble {
  readonly code: TroubleCode;
  /** The server's own words, where there are any. */
  readonly detail: string | null;
  /** Seconds after which trying again makes sense; null: whenever you like. */
  readonly retryAfterS: number | null;
}

export function trouble(code: TroubleCode, detail: string | null = null, retryAfterS: number | null = null): Trouble {
  return { code, detail, retryAfterS };
}

/** Carries a trouble through the steps of setting a call up. */
export class Stopped extends Error {
  constructor(readonly trouble: Trouble) {
    super(trouble.code);
  }
}

/** What the switchboard's refusal of an offer means: its code first, its status where the code is new. */
export function refusalTrouble(problem: Problem): Trouble {
  return trouble(refusalCode(problem), problem.detail, problem.retryAfterS);
}

function refusalCode({ code, status }: Problem): TroubleCode {
  if (code === "unknown_agent") return "agent_unknown";
  if (code === "no_capacity") return "lines_busy";
  if (code === "draining" || code === "model_unreachable") return code;
  switch (status) {
    case 401:
      return "signed_out";
    case 403:
      return "not_allowed";
    case 404:
      return "agent_unknown";
    case 400:
    case 406:
    case 413:
    case 415:
    case 422:
      return "offer_refused";
    case 429:
      return "too_many_calls";
    case 503:
      return "lines_busy";
    default:
      return "server_error";
  }
}
