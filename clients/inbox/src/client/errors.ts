/** A request that failed: without a response (`status` 0), or with an error response. */
export class InboxError extends Error {
  override readonly name = "InboxError";

  constructor(
    message: string,
    /** The HTTP status; 0 if there was no response. */
    readonly status: number,
    /** For how long the server wants no further request; 0 if it does not say. */
    readonly retryAfterMs = 0,
  ) {
    super(message);
  }
}

const MAX_RETRY_AFTER_MS = 300_000;
const MAX_DETAIL_CHARACTERS = 300;

/** Return the error of a response, with the detail of its JSON:API or RFC 9457 document. */
export async function errorOf(response: Response, nowMs: number): Promise<InboxError> {
  const detail = detailOf(await response.json().catch(() => null));
  const retryAfterMs = parseRetryAfter(response.headers.get("retry-after"), nowMs);
  return new InboxError(detail ?? `The server responded with ${response.status}.`, response.status, retryAfterMs);
}

/** Return the milliseconds that a `Retry-After` asks for (RFC 9110, 10.2.3), at most five minutes. */
export function parseRetryAfter(value: string | null, nowMs: number): number {
  if (!value) return 0;
  const waitMs = /^\d+$/.test(value.trim()) ? Number(value) * 1000 : Date.parse(value) - nowMs;
  return Number.isNaN(waitMs) ? 0 : Math.min(Math.max(waitMs, 0), MAX_RETRY_AFTER_MS);
}

function detailOf(document: unknown): string | null {
  const { errors, detail, title } = (document ?? {}) as { errors?: unknown; detail?: unknown; title?: unknown };
  const first = Array.isArray(errors) ? (errors[0] as { detail?: unknown; title?: unknown } | undefined) : undefined;
  const text = detail ?? first?.detail ?? title ?? first?.title;
  return typeof text === "string" ? text.slice(0, MAX_DETAIL_CHARACTERS) : null;
}
