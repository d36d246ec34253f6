const MAX_MS = 60_000;
const DEFAULT_MS = 2_000;

/** The time before the next attempt: it doubles from attempt to attempt, and half of it is random. */
export class Backoff {
  /** The time before the first attempt, which the server may set by `retry:`. */
  baseMs = DEFAULT_MS;
  private attempts = 0;

  constructor(private readonly random: () => number) {}

  /** Return the time before the next attempt, in milliseconds. */
  next(): number {
    const wholeMs = Math.min(this.baseMs * 2 ** this.attempts, MAX_MS);
    this.attempts += 1;
    return wholeMs * (0.5 + this.random() / 2);
  }

  /** Begin again: an attempt has succeeded. */
  reset(): void {
    this.attempts = 0;
  }
}
