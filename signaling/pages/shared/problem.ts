/** An RFC 9457 answer (`application/problem+json`) as a value. `code` is stable and chooses the words. */
export interface Problem {
  readonly status: number;
  readonly code: string | null;
  /** The server's own sentence, for the small print. */
  readonly detail: string | null;
  /** Seconds after which to try again, where the server says so. */
  readonly retryAfterS: number | null;
  /** Whom it is about: who has the call already, for one. */
  readonly who?: string;
}

/** Reads a refused response. A body that is no problem document still gives status and Retry-After. */
export async function readProblem(response: Response): Promise<Problem> {
  let body: Record<string, unknown> = {};
  try {
    const read: unknown = await response.json();
    if (typeof read === "object" && read !== null) body = read as Record<string, unknown>;
  } catch {
    // A proxy's HTML page, or nothing at all: the status has to do.
  }
  return {
    status: response.status,
    code: typeof body["code"] === "string" ? body["code"] : null,
    detail: typeof body["detail"] === "string" ? body["detail"] : null,
    retryAfterS: retryAfter(response.headers.get("Retry-After"), Date.now()),
    ...(typeof body["name"] === "string" ? { who: body["name"] } : {}),
  };
}

/** RFC 9110 10.2.3: seconds, or an HTTP date. */
export function retryAfter(header: string | null, nowMs: number): number | null {
  if (header === null) return null;
  if (/^\d+$/.test(header.trim())) return Number(header);
  const date = Date.parse(header);
  return Number.isNaN(date) ? null : Math.max(0, Math.ceil((date - nowMs) / 1000));
}
