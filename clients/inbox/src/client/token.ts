/** Fetch a token from the application: a JWT of the recipient, usually from `POST /v1/tokens` by its own server. */
export type GetToken = () => Promise<string>;

const MARGIN_MS = 30_000;

interface Claims {
  sub?: unknown;
  iss?: unknown;
  iat?: unknown;
  exp?: unknown;
}

/**
 * The current token. It is fetched again shortly before it expires, and by one call of `getToken` at a time.
 *
 * A token's lifetime is `exp - iat`, counted from when it arrived: a wrong clock of this machine does not matter. The
 * server has the last word: a token that it refuses is given to `refuse`.
 */
export class TokenSource {
  private token = "";
  private untilMs = 0;
  private pending: Promise<string> | null = null;

  constructor(
    private readonly getToken: GetToken,
    private readonly now: () => number,
    /** Called with each new token, before it is used. */
    private readonly onToken: (token: string) => void,
  ) {}

  /** Return a token that has not expired. Raise what `getToken` raises. */
  async get(): Promise<string> {
    if (this.token && this.now() < this.untilMs) return this.token;
    this.pending ??= this.fetch().finally(() => {
      this.pending = null;
    });
    return this.pending;
  }

  /** Forget a token that the server has refused, unless a newer one has replaced it. */
  refuse(token: string): void {
    if (token === this.token) this.untilMs = 0;
  }

  private async fetch(): Promise<string> {
    const token = await this.getToken();
    const nowMs = this.now();
    this.untilMs = nowMs + lifetimeMs(claimsOf(token), nowMs);
    this.token = token;
    this.onToken(token);
    return token;
  }
}

/** Return whose token it is, as a key that no other recipient has; null if the token is not a JWT. */
export function recipientOf(token: string): string | null {
  const { sub, iss } = claimsOf(token);
  return typeof sub === "string" && sub ? JSON.stringify([typeof iss === "string" ? iss : "", sub]) : null;
}

function lifetimeMs({ exp, iat }: Claims, nowMs: number): number {
  if (typeof exp !== "number") return Infinity;
  const wholeMs = typeof iat === "number" && iat < exp ? (exp - iat) * 1000 : exp * 1000 - nowMs;
  return wholeMs - Math.min(MARGIN_MS, wholeMs / 2);
}

/** Return the claims of a JWT without verifying it, which is the server's task; none if it is not a JWT. */
function claimsOf(token: string): Claims {
  try {
    const part = (token.split(".")[1] ?? "").replaceAll("-", "+").replaceAll("_", "/");
    const bytes = Uint8Array.from(atob(part), (character) => character.charCodeAt(0));
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    return typeof claims === "object" && claims !== null ? claims : {};
  } catch {
    return {};
  }
}
